"""`toritsugi freeswitch install`: our configuration into a switch's folder, and back out of it.

`layout.py` knows which file is whose, `plan.py` decides what has to change, `place.py` changes it with a backup,
`command.py` speaks with the person.
"""
