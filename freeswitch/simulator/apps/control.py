"""Applications that answer, ring, end or send on a call.

Enters: a leg and the expanded data. Leaves: what became of the call. Source: mod_dptools.c.
"""

from __future__ import annotations

from dataclasses import replace

from freeswitch.simulator import causes, plan
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.calls.waiting import HungUp
from freeswitch.simulator.switch import Switch


def answer(_switch: Switch, channel: Channel, _data: str) -> None:
    channel.answer()


def pre_answer(_switch: Switch, channel: Channel, _data: str) -> None:
    channel.early_media()


def ring_ready(_switch: Switch, channel: Channel, _data: str) -> None:
    channel.progress()


def set_name(_switch: Switch, channel: Channel, data: str) -> None:
    """Another name for the leg."""
    if data:
        channel.variables["channel_name"] = channel.renamed = data


def execute_extension(switch: Switch, channel: Channel, data: str) -> None:
    """`<extension> [dialplan [context]]`: what the dialplan does with it, then on with the plan. Source:
    switch_core_session_execute_exten."""
    extension, dialplan, context, *_rest = [*plan.words(data), "", "", ""]
    profile = channel.profile
    channel.profile = replace(profile, dialplan=dialplan or profile.dialplan, context=context or profile.context)
    inline = channel.profile.dialplan == "inline"
    apps = plan.inline(extension) if inline else switch.apps_for(channel, extension)
    channel.profile = profile
    for app in apps or ():
        channel.execute(app)
        channel.check()


def privacy(_switch: Switch, channel: Channel, data: str) -> None:
    """`full`, yes, `name`, `number`, or no: what the caller profile hides from the next leg on."""
    which, profile = data.lower(), channel.profile
    if which in ("no", "false", "off", "0", "disabled"):
        channel.profile = replace(profile, hide_name=False, hide_number=False)
    elif which in ("full", "name", "number", "yes", "true", "on", "1", "enabled"):
        both = which not in ("name", "number")
        channel.profile = replace(
            profile,
            hide_name=profile.hide_name or both or which == "name",
            hide_number=profile.hide_number or both or which == "number",
        )


def hangup(_switch: Switch, channel: Channel, data: str) -> None:
    channel.hangup(causes.named(data) if data else "NORMAL_CLEARING")
    raise HungUp


def respond(_switch: Switch, channel: Channel, data: str) -> None:
    """A final SIP response of our own: `486 Busy Here`."""
    code = data.split(" ")[0]
    channel.hangup(causes.of_sip(int(code) if code.isdecimal() and len(code) < 4 else 488)[0])
    raise HungUp


def redirect(_switch: Switch, channel: Channel, data: str) -> None:
    """302 with another address, if nobody has answered yet: `sip:user@host [CAUSE]`."""
    _address, cause, *_rest = [*plan.words(data), "", ""]
    if data and not channel.times.answered:
        channel.hangup(causes.named(cause) if cause else "NORMAL_UNSPECIFIED")
        raise HungUp


def deflect(_switch: Switch, channel: Channel, _data: str) -> None:
    """REFER to whoever is at the far end, which then hangs up here."""
    if channel.times.answered:
        channel.pause()


def wait_for_answer(_switch: Switch, channel: Channel, _data: str) -> None:
    """Until somebody answers the leg."""
    channel.pause(until=lambda: bool(channel.times.answered))
