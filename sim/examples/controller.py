#!/usr/bin/env python3
"""A small controller for cloud locks that keep schedules, in Python and nothing else: one JSON object a line, in and out.

    keyway run scenarios/happy/generic-cloud.json --controller 'python3 sim/examples/controller.py'

It stores, changes and removes codes, keeps its state over a restart, and tries again what failed. Its first bug: what was not
answered did not happen. `keyway run scenarios/field/F-01-the-cloud-said-502.json` with it shows what comes of that.
"""
import json
import sys
import uuid
from datetime import datetime, timedelta

WORD = (1 << 64) - 1
FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


def mix(word):
    word = (word + 0x9E3779B97F4A7C15) & WORD
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & WORD
    return word ^ (word >> 31)


def device_id(account, serial):
    """The published function by which everybody names a lock: of its account and its serial."""
    seed, entity = mix(len(serial.encode())), uuid.UUID(account).int
    for byte in serial.encode():
        seed = mix(seed ^ byte)

    def half(n):
        state = mix(seed ^ 0x9E3779B97F4A7C15)
        for word in (entity & WORD, entity >> 64, n):
            state = mix(state ^ word)
        return state

    bits = (half(0) << 64) | half(1)
    return str(uuid.UUID(int=bits & ~(0xF << 76) & ~(0x3 << 62) | (0x8 << 76) | (0x2 << 62)))


def later(time, seconds):
    """Times are text of one width, so that they compare as text; only sums need more."""
    return (datetime.strptime(time, FORMAT) + timedelta(seconds=seconds)).strftime(FORMAT)[:-4] + "Z"


class Controller:
    def __init__(self, start):
        self.config, self.out = start["config"], []
        # All that outlives a crash. Whatever was under way is asked again.
        self.state = json.loads(start["durable"] or '{"codes": {}, "locks": {}, "count": 0}')
        for code in self.state["codes"].values():
            code["asked"] = None
        self.boot = {"asked": None, "is_due": not self.state["locks"]}

    # What comes in.

    def step(self, now, given):
        self.now, self.out, after = now, [], []
        (kind, what), = given.items() if isinstance(given, dict) else [(given, None)]
        if kind == "call":
            after = [{"reply": {"call_id": what["call_id"], "result": self.call(what["request"])}}]
        elif kind == "answer":
            self.answer(what["command_id"], what["answer"])
        if self.boot["is_due"]:
            self.boot = {"asked": self.send(None, None, {"list_devices": {"page": 0}}), "is_due": False}
        for code in list(self.state["codes"].values()):
            self.pursue(code)
        # Durable first, then said and sent: a crash in between loses nothing that somebody was told.
        facts = [output for output in self.out if "command" not in output]
        commands = [output for output in self.out if "command" in output]
        return facts + [{"save": json.dumps(self.state)}] + after + commands

    def call(self, request):
        (kind, what), = request.items()
        codes = self.state["codes"]
        if kind == "create":
            lock = self.state["locks"].get(what["device_id"])
            if not lock:
                return {"Err": "device_not_found"}
            pin = what["code"]
            if not isinstance(pin, str) or not pin.isdigit() or len(pin) not in lock["info"]["lengths"]:
                return {"Err": "invalid_input"}
            if any(code["record"]["code"] == pin and code["record"]["device_id"] == what["device_id"] for code in codes.values()):
                return {"Err": "duplicate_access_code"}
            return {"Ok": {"access_code": self.create(what, pin)}}
        if kind == "list":
            return {"Ok": {"access_codes": [id for id, code in codes.items() if code["record"]["device_id"] == what["device_id"]]}}
        code = codes.get(what.get("access_code_id"))
        if not code:
            return {"Err": "access_code_not_found"}
        if kind == "get":
            return {"Ok": {"access_code": what["access_code_id"]}}
        if kind == "delete":
            code["is_doomed"] = True
            return {"Ok": "done"}
        if kind == "update" and not code["is_doomed"]:
            news = {field: what[field] for field in ("code", "name", "starts_at", "ends_at") if what[field] is not None}
            if any(code["record"][field] != value for field, value in news.items()):
                code["record"].update(news)
                self.event(code, "changed")
            return {"Ok": {"access_code": what["access_code_id"]}}
        return {"Err": "invalid_input"}

    def answer(self, command_id, answer):
        (kind, what), = answer.items() if isinstance(answer, dict) else [(answer, None)]
        if command_id == self.boot["asked"] and kind == "devices":
            for info in what["items"]:
                id = device_id(self.config["accounts"][0]["account"], info["serial"])
                self.state["locks"][id] = {"info": info}
                self.out.append({"changed_device": id})
            return
        code = next((code for code in self.state["codes"].values() if code["asked"] and code["asked"]["id"] == command_id), None)
        if not code or kind == "accepted":
            return
        asked, code["asked"] = code["asked"], None
        if kind == "done" or (kind == "not_found" and not asked["wanted"]):
            code["held"], code["tries"], code["not_before"] = asked["wanted"], 0, ""
            code["handle"] = (what or {}).get("handle") or code["handle"]
            if not asked["wanted"]:
                self.event(code, "removed_from_device")
        else:
            # The first bug: an error or a silence is taken for "nothing happened", and the same is sent again.
            code["tries"] += 1
            code["not_before"] = later(self.now, min(30 * 2 ** (code["tries"] - 1), 900))

    # What is to be done.

    def pursue(self, code):
        """Compares what a code should be with what the lock is known to hold, and does the next thing."""
        record = code["record"]
        window = {"starts_at": record["starts_at"], "ends_at": record["ends_at"]} if record["starts_at"] else None
        if window and self.now >= window["ends_at"]:
            code["is_doomed"] = True
        wanted = None if code["is_doomed"] else {"pin": record["code"], "name": record["name"], "window": window}
        is_due = not window or self.now >= later(window["starts_at"], -72 * 3600)
        if code["held"] != wanted and not code["asked"] and is_due and self.now >= code["not_before"]:
            if not wanted:
                op = {"delete_entry": {"handle": code["handle"]}}
            elif code["held"]:
                op = {"replace_entry": dict(wanted, handle=code["handle"])}
            else:
                op = {"create_entry": wanted}
            code["asked"] = {"id": self.send(record["device_id"], code, op), "wanted": wanted}
        if code["is_doomed"] and not code["held"] and not code["asked"]:
            self.event(code, "deleted")
            del self.state["codes"][record["access_code_id"]]
            return self.touch(code)
        before = (record["status"], record["is_scheduled_on_device"])
        is_early, is_held = bool(window) and self.now < window["starts_at"], code["held"] == wanted
        record["status"] = "removing" if code["is_doomed"] else "unset" if is_early else "set" if is_held else "setting"
        record["is_scheduled_on_device"] = bool(window) and is_held and not code["is_doomed"]
        if before != (record["status"], record["is_scheduled_on_device"]):
            self.touch(code)
            if record["status"] == "set":
                self.event(code, "set_on_device")
            elif record["is_scheduled_on_device"]:
                self.event(code, "scheduled_on_device")

    def wake_at(self):
        times = []
        for code in self.state["codes"].values():
            record = code["record"]
            times += [time for time in (record["starts_at"], record["ends_at"], code["not_before"]) if time and time > self.now]
            if record["starts_at"]:
                times.append(max(self.now, later(record["starts_at"], -72 * 3600)))
        return min((time for time in times if time > self.now), default=None)

    # What goes out.

    def create(self, what, pin):
        self.state["count"] += 1
        id = str(uuid.uuid5(uuid.UUID(what["device_id"]), str(self.state["count"])))
        flags = ["is_backup", "is_external_modification_allowed", "is_offline_access_code", "is_one_time_use",
                 "is_scheduled_on_device", "is_waiting_for_code_assignment"]
        record = dict.fromkeys(flags, False) | {
            "access_code_id": id, "workspace_id": self.config["workspaces"][0], "device_id": what["device_id"], "code": pin,
            "common_code_key": None, "created_at": self.now, "starts_at": what["starts_at"], "ends_at": what["ends_at"],
            "errors": [], "warnings": [], "is_managed": True, "name": what["name"] or f"Access Code {self.state['count']}",
            "pulled_backup_access_code_id": None, "status": "unset" if what["starts_at"] else "setting",
            "type": "time_bound" if what["starts_at"] else "ongoing"}
        code = {"record": record, "held": None, "handle": None, "asked": None, "is_doomed": False, "tries": 0, "not_before": ""}
        self.state["codes"][id] = code
        self.event(code, "created")
        return id

    def send(self, device, code, op):
        self.state["count"] += 1
        lock = self.state["locks"][device]["info"] if device else {"device": None, "epoch": 0}
        self.out.append({"command": {
            "command_id": self.state["count"], "key": self.state["count"], "account": self.config["accounts"][0]["account"],
            "device": lock["device"], "epoch": lock["epoch"], "for_code": code and code["record"]["access_code_id"], "op": op}})
        return self.state["count"]

    def event(self, code, name):
        self.state["count"] += 1
        record = code["record"]
        event = {
            "access_code_id": record["access_code_id"], "connected_account_id": self.config["accounts"][0]["account"],
            "created_at": self.now, "device_id": record["device_id"], "event_id": str(uuid.uuid5(uuid.NAMESPACE_OID, str(self.state["count"]))),
            "event_type": f"access_code.{name}", "occurred_at": self.now, "workspace_id": record["workspace_id"]}
        if name in ("scheduled_on_device", "set_on_device", "deleted"):
            event["code"] = record["code"]
        self.out.append({"event": event})
        self.touch(code)

    def touch(self, code):
        changed = {"changed": code["record"]["access_code_id"]}
        if changed not in self.out:
            self.out.append(changed)

    def show(self):
        devices = [{"device_id": id, "errors": [], "account_errors": [], "warnings": [], "is_backup_pool_active": False,
                    "is_backup_access_code_available": False} for id in self.state["locks"]]
        return {"access_codes": [code["record"] for code in self.state["codes"].values()], "devices": devices}


controller = None
for line in sys.stdin:
    (question, what), = json.loads(line).items()
    if question == "start":
        controller = Controller(what)
        reply = {"wake_at": what["now"]}
    elif question == "step":
        reply = {"outputs": controller.step(what["now"], what["input"]), "wake_at": controller.wake_at()} | controller.show()
    else:
        reply = controller.show()
    print(json.dumps(reply), flush=True)
