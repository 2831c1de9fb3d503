#!/usr/bin/env python3
"""A small controller for locks with entries or with numbered slots, in Python and nothing else: one JSON object a line, in and out.

    keyway run scenarios/happy --controller 'python3 sim/examples/controller.py'

It stores, changes and removes codes, lists what others stored, keeps its state over a restart, and tries again what failed. What
a lock is like, it reads in its profile. Its first bug: what was not answered did not happen. `keyway run scenarios/field/F-01-the-cloud-said-502.json` with it shows what comes of that.
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
        for lock in self.state["locks"].values():
            lock["listing"] = None
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
        for device, lock in self.state["locks"].items():
            if lock["listing"] is None and now >= lock["list_at"]:
                lock["listing"] = self.send(device, None, {"list_entries": {"page": 0, "fresh": True}})
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
                code["version"] += 1
                self.event(code, "changed")
            return {"Ok": {"access_code": what["access_code_id"]}}
        return {"Err": "invalid_input"}

    def answer(self, command_id, answer):
        (kind, what), = answer.items() if isinstance(answer, dict) else [(answer, None)]
        if command_id == self.boot["asked"] and kind == "devices":
            for info in what["items"]:
                id = device_id(self.config["accounts"][0]["account"], info["serial"])
                profile = self.config["profiles"][info["model"]]
                self.state["locks"][id] = {"info": info, "profile": profile, "listing": None, "list_at": self.now, "is_listed": False, "strangers": {}}
                self.out.append({"changed_device": id})
            return
        for device, lock in self.state["locks"].items():
            if command_id == lock["listing"]:
                lock["listing"], lock["list_at"] = None, later(self.now, self.config["policy"]["sync_period_ms"] // 1000)
                return self.listed(device, lock, what["items"]) if kind == "entries" else None
        asked_of = lambda code: code["asked"] and command_id in (code["asked"]["id"], code["asked"]["look"])
        code = next((code for code in self.state["codes"].values() if asked_of(code)), None)
        if not code:
            return
        asked, record = code["asked"], code["record"]
        profile = self.state["locks"][record["device_id"]]["profile"]
        if kind == "accepted" or (kind == "timed_out" and asked["look"] not in (None, command_id)):
            if profile["ack"] == "nothing" and asked["look"] is None:
                # The word of such a lock means nothing: a look at the slot, which comes after the write, tells.
                asked["look"] = self.send(record["device_id"], code, {"read_slot": {"slot": code["slot"], "fresh": True}})
            return
        code["asked"], wanted = None, asked["wanted"]
        shown = what.get("occupied", {}).get("name") if kind == "slot" and isinstance(what, dict) else None
        is_shown = kind == "slot" and shown == (wanted and wanted["name"])
        if kind == "done" or is_shown or (kind == "not_found" and not wanted):
            code["held"], code["tries"], code["not_before"] = wanted, 0, ""
            code["handle"] = wanted and (what or {}).get("handle") or code["handle"]
            if not wanted:
                code["slot"] = None
                if code["is_doomed"]:
                    self.event(code, "removed_from_device")
        else:
            # The first bug: an error or a silence is taken for "nothing happened", and the same is sent again.
            code["tries"] += 1
            code["not_before"] = later(self.now, min(30 * 2 ** (code["tries"] - 1), 900))

    def listed(self, device, lock, items):
        """What others stored is shown as unmanaged, until it is twice not there."""
        ours = [code for code in self.state["codes"].values() if code["record"]["device_id"] == device]
        names = {content["name"] for code in ours for content in (code["held"], code["asked"] and code["asked"]["wanted"]) if content}
        places = {str(place) for code in ours for place in (code["slot"], code["handle"] if code["held"] else None) if place is not None}
        there = {str(*item["place"].values()): item for item in items}
        lock["is_listed"] = True
        for place, item in there.items():
            if place in lock["strangers"] or place in places or item["name"] in names:
                continue
            window = item["window"] or {"starts_at": None, "ends_at": None}
            pin = item["pin"]["shown"] if isinstance(item["pin"], dict) else None
            record = self.record(device, pin, item["name"], window) | {"is_managed": False, "status": "set"}
            lock["strangers"][place] = {"record": record, "is_missed": False}
            self.event(lock["strangers"][place], "unmanaged.created")
        for place, stranger in list(lock["strangers"].items()):
            if place not in there and stranger["is_missed"]:
                self.event(lock["strangers"].pop(place), "unmanaged.removed")
            else:
                stranger["is_missed"] = place not in there

    # What is to be done.

    def window(self, record):
        return {"starts_at": record["starts_at"], "ends_at": record["ends_at"]} if record["starts_at"] else None

    def due_at(self, record):
        """Where the lock keeps schedules, long before the start; where it does not, shortly before."""
        is_native = self.state["locks"][record["device_id"]]["profile"]["schedules"]
        lead_ms = self.config["policy"]["native_preload_ms" if is_native else "just_in_time_lead_ms"]
        return later(record["starts_at"], -lead_ms // 1000) if record["starts_at"] else ""

    def op(self, code, lock, wanted):
        """The next thing to send, and what the lock holds of the code after it."""
        profile, handle = lock["profile"], code["handle"]
        if profile["family"] == "by_slot":
            if wanted and code["slot"] is None:
                taken = {str(other["slot"]) for other in self.state["codes"].values() if other["record"]["device_id"] == code["record"]["device_id"]}
                slots = range(1, lock["info"]["positions"] - profile["reserved_slots"] + 1)
                code["slot"] = next((slot for slot in slots if str(slot) not in taken | set(lock["strangers"])), None)
            if code["slot"] is None:
                return None, None
            if not wanted:
                return {"clear_slot": {"slot": code["slot"]}}, None
            return {"set_slot": {"slot": code["slot"], "pin": wanted["pin"], "name": wanted["name"]}}, wanted
        if not wanted or (code["held"] and not profile["update_in_place"]):
            return {"delete_entry": {"handle": handle}}, None
        return ({"replace_entry": dict(wanted, handle=handle)} if code["held"] else {"create_entry": wanted}), wanted

    def pursue(self, code):
        """Compares what a code should be with what the lock is known to hold, and does the next thing."""
        record = code["record"]
        lock, window = self.state["locks"][record["device_id"]], self.window(record)
        is_native = bool(window) and lock["profile"]["schedules"]
        if window and self.now >= window["ends_at"]:
            code["is_doomed"] = True
        # A name of its own for each content tells them apart where a lock hides the PIN.
        name = f"{record['name']} {code['version']}" if lock["profile"]["family"] == "by_slot" else record["name"]
        wanted = None if code["is_doomed"] else {"pin": record["code"], "name": name, "window": window if is_native else None}
        is_due = self.now >= self.due_at(record)
        if code["held"] != wanted and not code["asked"] and is_due and lock["is_listed"] and self.now >= code["not_before"]:
            op, after = self.op(code, lock, wanted)
            if op:
                code["asked"] = {"id": self.send(record["device_id"], code, op), "wanted": after, "look": None}
        if code["is_doomed"] and not code["held"] and not code["asked"]:
            self.event(code, "deleted")
            del self.state["codes"][record["access_code_id"]]
            return self.touch(code)
        before = (record["status"], record["is_scheduled_on_device"])
        is_early, is_held = self.now < window["starts_at"] if is_native else not is_due, code["held"] == wanted
        record["status"] = "removing" if code["is_doomed"] else "unset" if is_early else "set" if is_held else "setting"
        record["is_scheduled_on_device"] = is_native and is_held and not code["is_doomed"]
        if before != (record["status"], record["is_scheduled_on_device"]):
            self.touch(code)
            if record["status"] == "set":
                self.event(code, "set_on_device")
            elif record["is_scheduled_on_device"]:
                self.event(code, "scheduled_on_device")

    def wake_at(self):
        times = [lock["list_at"] for lock in self.state["locks"].values() if lock["listing"] is None]
        for code in self.state["codes"].values():
            record = code["record"]
            times += [record["starts_at"], record["ends_at"], code["not_before"], self.due_at(record)]
        # What could begin at once has begun.
        return min((time for time in times if time and time > self.now), default=self.now if self.boot["is_due"] else None)

    # What goes out.

    def create(self, what, pin):
        record = self.record(what["device_id"], pin, what["name"] or f"Access Code {self.state['count'] + 1}", what)
        code = {"record": record, "held": None, "handle": None, "slot": None, "version": self.state["count"], "asked": None,
                "is_doomed": False, "tries": 0, "not_before": ""}
        self.state["codes"][record["access_code_id"]] = code
        self.event(code, "created")
        return record["access_code_id"]

    def record(self, device, pin, name, window):
        self.state["count"] += 1
        id = str(uuid.uuid5(uuid.UUID(device), str(self.state["count"])))
        flags = ["is_backup", "is_external_modification_allowed", "is_offline_access_code", "is_one_time_use",
                 "is_scheduled_on_device", "is_waiting_for_code_assignment"]
        return dict.fromkeys(flags, False) | {
            "access_code_id": id, "workspace_id": self.config["workspaces"][0], "device_id": device, "code": pin,
            "common_code_key": None, "created_at": self.now, "starts_at": window["starts_at"], "ends_at": window["ends_at"],
            "errors": [], "warnings": [], "is_managed": True, "name": name, "pulled_backup_access_code_id": None,
            "status": "unset" if window["starts_at"] else "setting", "type": "time_bound" if window["starts_at"] else "ongoing"}

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
        strangers = [stranger for lock in self.state["locks"].values() for stranger in lock["strangers"].values()]
        return {"access_codes": [code["record"] for code in [*self.state["codes"].values(), *strangers]], "devices": devices}


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
