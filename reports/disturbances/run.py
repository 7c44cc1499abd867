"""How the numbers of a network change when sound or picture are made worse; prints the tables in Markdown.

    python reports/disturbances/run.py MODEL CLIPS >> reports/disturbances/README.md

The same is asked by ``syncqc evaluate MODEL CLIPS --effects all``, beside everything else that command does.
"""

from __future__ import annotations

import sys
from pathlib import Path

from syncqc.cli.effects import effect_tables, effects, worst_in_words
from syncqc.datasets.layout import clips_of


def main(model: str, clips: Path) -> None:
    """Prints the tables and a sentence."""
    found = effects(model, clips_of(clips, None))
    for table in effect_tables(found):
        print(f"{table.title}\n")
        print("| " + " | ".join(table.header) + " |")
        print("|---" * len(table.header) + "|")
        for row in table.rows:
            print("| " + " | ".join(row) + " |")
        print()
    print(worst_in_words(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
