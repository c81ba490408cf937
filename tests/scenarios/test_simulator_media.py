"""What callers hear and press while they wait: keys, sounds, messages and recordings on the simulated switch.

Orders of events were seen on a real FreeSWITCH 1.11 with the same plans and the same far ends.
"""

from __future__ import annotations

from freeswitch.simulator import Phone
from tests.scenarios.ears import CALLER, EXT, QUICK, Listener, arrive, dialled, finish, send, switch, told


def test_a_key_in_the_music_of_a_queue_is_read_by_nobody() -> None:
    """It is lost when the caller is sent on, and the call record alone tells of it."""
    with switch([]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        send(listener, leg, "~answer~endless_playback:local_stream://moh")
        listener.name("PLAYBACK_START", leg.uuid)
        simulator.switch.channels[leg.uuid].far_digit("1")
        send(listener, leg, "~hangup")
        finish(listener, leg.uuid)
        assert "DTMF" not in told(listener, leg.uuid)
        assert listener.name("CHANNEL_HANGUP_COMPLETE", leg.uuid)["variable_digits_dialed"] == "1"


def test_a_key_pressed_while_the_phone_rings_reaches_the_phone() -> None:
    with switch([Phone("1001", QUICK)]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        send(listener, leg, f"|hangup_after_bridge=true~answer~{EXT.format(1)}~park")
        listener.name("CHANNEL_PROGRESS", nth=1)
        simulator.switch.channels[leg.uuid].far_digit("7")
        dialled(simulator, listener).far_hangup()
        finish(listener, leg.uuid)
        story = told(listener, leg.uuid)
        assert story.index("BRIDGE") < story.index("DTMF")


def test_a_key_that_a_command_sends_says_so() -> None:
    with switch([]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        assert listener.send(f"api uuid_recv_dtmf {leg.uuid} 5@100+6") == f"+OK {leg.uuid} received DTMF 5@100+6.\n"
        keys = [listener.name("DTMF", leg.uuid, nth=nth) for nth in (1, 2)]
        assert [(key["DTMF-Digit"], key["DTMF-Source"], key["DTMF-Duration"]) for key in keys] == [
            ("5", "APP", "800"),
            ("6", "APP", "2000"),
        ]
        listener.send(f"api uuid_kill {leg.uuid}")
        finish(listener, leg.uuid)


def test_another_sound_in_the_place_of_the_talk() -> None:
    sound = "tone_stream://%(100,0,500)"
    with switch([Phone("1001", QUICK)]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        send(listener, leg, f"|hangup_after_bridge=true~{EXT.format(1)}~park")
        phone = dialled(simulator, listener)
        assert listener.send(f"api uuid_displace {leg.uuid} start {sound}") == "+OK Success\n"
        assert listener.send(f"api uuid_displace {leg.uuid} start {sound}") == "-ERR Cannot displace session!\n"
        ended = listener.name("MEDIA_BUG_STOP", leg.uuid)
        assert (ended["Media-Bug-Function"], ended["Media-Bug-Target"]) == ("displace", sound)
        assert listener.send(f"api uuid_displace {leg.uuid} stop {sound}") == "-ERR Cannot stop displace session!\n"
        phone.far_hangup()
        finish(listener, leg.uuid)
