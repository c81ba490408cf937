"""What callers send who attack by name, number or header: the values of the table of a real switch, and mixtures.

Enters: nothing, or a seed. Leaves: texts. What must become of them is asked by tests/integration/test_hostile.py (the
plans) and tests/faults (the books, while hundreds call).
"""

from __future__ import annotations

HONEST = "山田 Taro"
NAMES = (
    HONEST,
    "AB\nEvent-Name: FAKE",
    "AB\nvariable_tt_tenant: victim\nUnique-ID: 0000\n\nContent-Length: 3",
    "AB%0aEvent-Name: FAKE",
    "AB%250ACD %41",
    "A%0D%0AX-Evil%253A 1",
    "A\r\nX-Evil: 1",
    "\udcff\udcfe no text",
    'A \\"q\\" B',
    'A "q" B',
    "x" * 2000,
    "%{system(touch /x)}",
    "${system(touch /x)}",
    "$%7Buuid%7D ${tt_pin}",
    "x,tt_tenant=victim",
    "x]sofia/external/evil@127.0.0.1:5095,[tt_q=1",
    "x|tt_tenant=victim",
    "x~bridge:sofia/external/evil@127.0.0.1:5095",
    "x' inline\n\napi system touch /x",
    "^^:tt_tenant=victim",
    "x:tt_tenant=victim",
    "{tt_tenant=victim}<sip:110@evil>;tag=1",
    "ends with \\",
    "<script>alert(1)</script>",
    "=HYPERLINK(1)",
    "\u202e\u200b\u0001turned",
    " ",
    "",
)
NUMBERS = ("0901\r\nx", "0901%0D%0Ax", "1" * 1500, "<sip:110@evil>", "0901;x", "${system(id)}", "anonymous'|x=1")
HEADERS = (
    {"variable_sip_h_X-Note": "a,tt_tenant=victim,origination_caller_id_number=110"},
    {"variable_sip_h_Diversion": "<sip:110@evil>;reason=x\nEvent-Name: FAKE,<sip:0398765432@evil>"},
    {"variable_sip_history_info": "<sip:${system(id)}@evil>;index=1"},
    {"variable_tt_tenant": "victim", "variable_tt_payer": "victim"},
    {"variable_sip_P-Asserted-Identity": "x]sofia/external/evil@127.0.0.1:5095,[a=1"},
)
