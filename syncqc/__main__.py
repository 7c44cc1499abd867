"""``python -m syncqc`` is the ``syncqc`` command."""

from __future__ import annotations

import sys

from syncqc.cli.main import main

sys.exit(main())
