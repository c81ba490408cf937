"""Checks of the operator's own files, line by line: what the switch drops without a word or will not run. Pure.

Enters: facts with the text of the files below the prefix. Leaves: findings that name file and line. What the switch
has loaded from them is judged in the other checks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

from services.eventsocket.doctor.conf_text import lines_with, without_comments
from services.eventsocket.doctor.facts import Facts, shape
from services.eventsocket.doctor.finding import Finding, check, error, listed, unseen, warning

COMPARED = (
    *("context:default", "context:public", "context:fallback"),
    *("acl.conf", "json_cdr.conf", "local_stream.conf", "sofia.conf"),
)
NO_FOLDER = ("設定フォルダーが見えません(--prefix)", "No configuration folder is seen (--prefix)")
_API = re.compile(r"\$\{\s*([a-z_0-9]+)\s*\(")
_TT = re.compile(r"\b(tt_[a-z_]+)\s*=")
_TT_VARIABLE = re.compile(r"<variable\s+name=\"(tt_(?!tenant\b|emergency_number\b)[a-z_]+)\"")
_ONE_LINE = re.compile(r"<include>[ \t]*<(?!/include>)[^\n]*|\S[ \t]*</include>")
_SETTABLE = frozenset({"tt_event_socket_password", "tt_agent_password", "tt_emergency_number", "tt_emergency_gateway"})
"""Global variables that an operator may set where they like."""
_PRE_PROCESS = re.compile(r"<X-PRE-PROCESS\b(?:[^\n]{0,4000}?/>|[^\n]{0,4000})", re.IGNORECASE)
"""Taken out before the file is read as XML, to the end of the line where it is not closed (switch_xml.c, preprocess);
the entrypoint of safarov/freeswitch leaves such a one in vars.xml."""
_DIAL_STRING = re.compile(r"name=\"dial-string\"\s+value=\"[^\"]*\$\{\s*[a-z_]+\s*\(")


@check("one-line-files", "黙って捨てられる行はありません", "No line of a file is dropped without a word")
def one_line_files(facts: Facts) -> Iterator[Finding]:
    """The switch skips every line with <include> or </include>, and all else on it (switch_xml.c, preprocess)."""
    if facts.files is None:
        yield unseen(NO_FOLDER)
    for path, text in sorted((facts.files or {}).items()):
        for line, _ in lines_with(text, _ONE_LINE):
            yield error(
                (
                    f"{path}:{line}: <include> と同じ行の内容は黙って捨てられます",
                    f"{path}:{line}: what stands on a line with <include> or </include> is dropped without a word",
                ),
                (
                    "<include> と </include> を別の行にし、reloadxml をしてください。",
                    "Give <include> and </include> lines of their own, then `fs_cli -x reloadxml`.",
                ),
            )


@check("loaded", "交換機は今のファイルで動いています", "The switch runs on the files as they are now")
def loaded(facts: Facts) -> Iterator[Finding]:
    """What was edited and not read again is the commonest riddle of all; passwords are left out of the comparison."""
    if facts.files is None or not facts.loaded or not facts.from_files:
        yield unseen(NO_FOLDER)
        return
    for name in COMPARED:
        here, there = facts.from_files.get(name), facts.loaded.get(name)
        if here is not None and there is not None and shape(here) != shape(there):
            shown = name.replace("context:", "context ")
            yield warning(
                (
                    f"{shown} はファイルと違うまま動いています",
                    f"What the switch has loaded of {shown} is not what the files say",
                ),
                (
                    "`fs_cli -x reloadxml` をしてください(SIPやモジュールの設定は再起動まで変わりません)。",
                    "Run `fs_cli -x reloadxml`; SIP profiles and modules take it up when they are restarted.",
                ),
            )


@check("well-formed", "設定ファイルはXMLとして正しいです", "Every file is well-formed XML")
def well_formed(facts: Facts) -> Iterator[Finding]:
    """One broken file makes the switch keep its old configuration, or not start."""
    if facts.files is None:
        yield unseen(NO_FOLDER)
    for path, text in sorted((facts.files or {}).items()):
        if why := _broken(text):
            yield warning(
                (f"{path}: XMLとして読めません({why})", f"{path}: cannot be read as XML ({why})"),
                (
                    "その行を直してください。FreeSWITCHは古い設定のまま動き続けます。",
                    "Mend that line: the switch would keep its old configuration, or not start.",
                ),
            )


def _broken(text: str) -> str:
    text = _PRE_PROCESS.sub("", text)
    try:
        ElementTree.fromstring(text)
    except ElementTree.ParseError as problem:
        return "" if _is_fragment(text) else str(problem)
    return ""


def _is_fragment(text: str) -> bool:
    try:
        ElementTree.fromstring(f"<include>{re.sub(r'<[?][^>]{0,500}[?]>', '', without_comments(text))}</include>")
    except ElementTree.ParseError:
        return False
    return True


@check("api-calls", "自作のダイヤルプランにAPI呼び出しはありません", "No dialplan of your own calls an API in its text")
def api_calls(facts: Facts) -> Iterator[Finding]:
    """`${hash(…)}` and the like answer `<API Execute Permission Denied>` with api-expansion off."""
    if facts.files is None:
        yield unseen(NO_FOLDER)
    for path, text in facts.own_files("dialplan/"):
        hits = lines_with(text, _API)
        if hits:
            lines = listed(str(line) for line, _ in hits)
            names = listed(sorted({_name(hit) for _, hit in hits}))
            yield warning(
                (
                    f"{path} の {lines} 行目は動かなくなります({names})",
                    f"{path}: lines {lines} will not work with api-expansion off ({names})",
                ),
                (
                    "その部分を消すか、アプリケーション(hash、limitなど)で書き直してください。",
                    "Remove those extensions, or write them with applications in place of ${…()}.",
                ),
            )


def _name(hit: str) -> str:
    found = _API.match(hit)
    return found[1] if found else hit


@check("dial-strings", "内線の呼出しにAPIを使っていません", "No phone is dialled through an API call")
def dial_strings(facts: Facts) -> Iterator[Finding]:
    """The stock one of `user/…` runs ${sofia_contact(…)}; ours, sofia/<profile>/<id>%<domain>, runs nothing."""
    if facts.files is None:
        yield unseen(NO_FOLDER)
    for path, text in facts.own_files("directory/"):
        for line, _ in lines_with(text, _DIAL_STRING):
            yield warning(
                (
                    f"{path}:{line}: この dial-string では user/… を呼べなくなります",
                    f"{path}:{line}: with this dial-string your own user/… no longer rings (Toritsugi does not use it)",
                ),
                (
                    "自作のダイヤルプランで user/… を使うなら sofia/internal/番号%ドメイン に変えてください。",
                    "If your own dialplan dials user/…, write sofia/internal/<id>%<domain> there, and "
                    "remove the dial-string.",
                ),
            )


@check("foreign-marks", "ほかのファイルは tt_ の変数を使っていません", "No file of yours sets variables that are ours")
def foreign_marks(facts: Facts) -> Iterator[Finding]:
    """A foreign `tt_tenant=` would be believed of every call that passes it."""
    if facts.files is None:
        yield unseen(NO_FOLDER)
    for path, text in facts.own_files():
        hits = [(line, m.partition("=")[0].strip()) for line, m in lines_with(text, _TT)]
        hits += [(line, m.split('"')[1]) for line, m in lines_with(text, _TT_VARIABLE)]
        for line, name in hits:
            if name not in _SETTABLE:
                yield warning(
                    (f"{path}:{line}: {name} を設定しています", f"{path}:{line}: sets {name}"),
                    (
                        "その行を消してください。tt_ で始まる名前は当社のものです。",
                        "Remove it: names that begin with tt_ are Toritsugi's, and what they say is believed.",
                    ),
                )


CHECKS = (one_line_files, well_formed, loaded, api_calls, dial_strings, foreign_marks)
