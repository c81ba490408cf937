"""A switch for people without one: it speaks the real ESL wire and follows the traces of the real FreeSWITCH.

Enters: phones, carriers, numbers and people who call. Leaves: a port that `services/eventsocket` connects to as to a
real FreeSWITCH. What a real one cannot do, this one must not do either.
"""
