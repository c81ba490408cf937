"""Identity checks (本人確認): who the client is, how that was found out, and the proof, kept for seven years.

Enters: what people of the operator found out about a client. Leaves: a record whose every version stays, the gate
before a client's first call, and the evidence as one file. Numbers, people and files belong to the rooms beside it.
"""
