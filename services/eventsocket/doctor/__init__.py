"""`toritsugi doctor`: looks at a connected switch and at the machine it runs on, and says how to mend what is wrong.

Facts are gathered first (`ask.py` over the Event Socket, `machine.py` from the kernel, `conf_files.py` from the
folder), then each check, a small pure function of `…_checks.py`, turns them into findings.
"""
