"""The command line: one file per command, what it asks for, what it prints, with which code it ends.

Knows every room below, and is the only one that knows a terminal. Knows no method: a command reads its options, calls one room
and shows the answer. Heavy libraries are imported inside the functions, so that ``syncqc --help`` is instant.
"""
