// A small controller for locks with entries or with numbered slots, for Node and nothing else: one JSON object a line, in and out.
//
//     keyway run scenarios/happy --controller 'node sim/examples/controller.mjs'
//
// It does what controller.py beside it does, but forgets everything when it is started again, and it believes an error:
// `keyway run scenarios/field/F-01-the-cloud-said-502.json` with it shows what comes of that.
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";

const WORD = (1n << 64n) - 1n;

function mix(word) {
  word = (word + 0x9e3779b97f4a7c15n) & WORD;
  word = ((word ^ (word >> 30n)) * 0xbf58476d1ce4e5b9n) & WORD;
  word = ((word ^ (word >> 27n)) * 0x94d049bb133111ebn) & WORD;
  return word ^ (word >> 31n);
}

/** 32 hexadecimal digits as a UUID. */
const dashed = (hex) => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");

/** The published function by which everybody names a lock: of its account and its serial. */
function deviceId(account, serial) {
  const bytes = Buffer.from(serial);
  const entity = BigInt("0x" + account.replaceAll("-", ""));
  const seed = bytes.reduce((seed, byte) => mix(seed ^ BigInt(byte)), mix(BigInt(bytes.length)));
  const half = (n) => [entity & WORD, entity >> 64n, n].reduce((state, word) => mix(state ^ word), mix(seed ^ 0x9e3779b97f4a7c15n));
  const bits = ((half(0n) << 64n) | half(1n)) & ~(0xfn << 76n) & ~(0x3n << 62n);
  return dashed((bits | (0x8n << 76n) | (0x2n << 62n)).toString(16).padStart(32, "0"));
}

/** An id that is the same in each run; never by chance. */
const idOf = (...words) => dashed(createHash("sha256").update(words.join("/")).digest("hex").slice(0, 32));
const later = (time, ms) => new Date(Date.parse(time) + ms).toISOString();

class Controller {
  constructor({ now, config }) {
    Object.assign(this, { now, config, account: config.accounts[0].account, locks: new Map(), codes: new Map(), count: 0, out: [] });
    this.listing = null;
    this.started = later(now, 0);
  }

  step({ now, input }) {
    this.now = now;
    this.out = [];
    const [kind, what] = typeof input === "string" ? [input, null] : Object.entries(input)[0];
    const said = kind === "call" ? [{ reply: { call_id: what.call_id, result: this.call(what.request) } }] : [];
    if (kind === "answer") this.answer(what.command_id, what.answer);
    if (this.listing === null) this.listing = this.send(null, null, { list_devices: { page: 0 } });
    for (const [device, lock] of this.locks) {
      if (lock.listing === null && now >= lock.listAt) lock.listing = this.send(device, null, { list_entries: { page: 0, fresh: true } });
    }
    for (const code of this.codes.values()) this.pursue(code);
    const commands = this.out.filter((output) => output.command);
    return [...this.out.filter((output) => !output.command), { save: "" }, ...said, ...commands];
  }

  call(request) {
    const [kind, what] = Object.entries(request)[0];
    if (kind === "create") {
      const lock = this.locks.get(what.device_id);
      if (!lock) return { Err: "device_not_found" };
      if (!/^\d+$/.test(what.code ?? "") || !lock.info.lengths.includes(what.code.length)) return { Err: "invalid_input" };
      return { Ok: { access_code: this.create(what) } };
    }
    if (kind === "list") {
      const codes = [...this.codes.values()].filter(({ record }) => record.device_id === what.device_id);
      return { Ok: { access_codes: codes.map(({ record }) => record.access_code_id) } };
    }
    const code = this.codes.get(what.access_code_id);
    if (!code) return { Err: "access_code_not_found" };
    if (kind === "delete") {
      code.isDoomed = true;
      return { Ok: "done" };
    }
    if (kind === "update" && !code.isDoomed) {
      const news = ["code", "name", "starts_at", "ends_at"].filter((field) => what[field] !== null && what[field] !== code.record[field]);
      for (const field of news) code.record[field] = what[field];
      if (news.length > 0) this.event(code, "changed");
      code.version += news.length;
    } else if (kind !== "get") {
      return { Err: "invalid_input" };
    }
    return { Ok: { access_code: what.access_code_id } };
  }

  answer(id, answer) {
    const [kind, what] = typeof answer === "string" ? [answer, null] : Object.entries(answer)[0];
    if (id === this.listing && kind === "devices") {
      for (const info of what.items) {
        const device = deviceId(this.account, info.serial);
        const profile = this.config.profiles[info.model];
        this.locks.set(device, { info, profile, listing: null, listAt: this.now, isListed: false, strangers: new Map() });
        this.out.push({ changed_device: device });
      }
      return;
    }
    for (const [device, lock] of this.locks) {
      if (id !== lock.listing) continue;
      Object.assign(lock, { listing: null, listAt: later(this.now, this.config.policy.sync_period_ms) });
      if (kind === "entries") this.listed(device, lock, what.items);
      return;
    }
    const code = [...this.codes.values()].find(({ asked }) => asked && (asked.id === id || asked.look === id));
    if (!code) return;
    const { wanted, look } = code.asked;
    if (kind === "accepted" || (kind === "timed_out" && look !== null && look !== id)) {
      const isEmptyWord = this.locks.get(code.record.device_id).profile.ack === "nothing";
      // The word of such a lock means nothing: a look at the slot, which comes after the write, tells.
      if (isEmptyWord && look === null) {
        code.asked.look = this.send(code.record.device_id, code, { read_slot: { slot: code.slot, fresh: true } });
      }
      return;
    }
    code.asked = null;
    const isShown = kind === "slot" && (what.occupied?.name ?? null) === (wanted?.name ?? null);
    if (kind === "done" || isShown || (kind === "not_found" && wanted === null)) {
      code.held = wanted;
      code.handle = what?.handle ?? code.handle;
      if (wanted !== null) return;
      code.slot = null;
      if (code.isDoomed) this.event(code, "removed_from_device");
    } else if (kind === "server_error" && code.held === null) {
      // The first bug: an error is believed, although the vendor may have stored the code.
      code.isDoomed = true;
    } else {
      code.notBefore = later(this.now, 60_000);
    }
  }

  /** What others stored is shown as unmanaged, until it is twice not there. */
  listed(device, lock, items) {
    const ours = [...this.codes.values()].filter(({ record }) => record.device_id === device);
    const names = new Set(ours.flatMap(({ held, asked }) => [held?.name, asked?.wanted?.name]));
    const places = new Set(ours.flatMap(({ slot, handle, held }) => [slot, held && handle]));
    const there = new Map(items.map((item) => [Object.values(item.place)[0], item]));
    lock.isListed = true;
    for (const [place, item] of there) {
      if (lock.strangers.has(place) || places.has(place) || names.has(item.name)) continue;
      const record = this.record(device, item.pin.shown ?? null, item.name, item.window ?? { starts_at: null, ends_at: null });
      const stranger = { record: { ...record, is_managed: false, status: "set" }, isMissed: false };
      lock.strangers.set(place, stranger);
      this.event(stranger, "unmanaged.created");
    }
    for (const [place, stranger] of lock.strangers) {
      if (!there.has(place) && stranger.isMissed) {
        lock.strangers.delete(place);
        this.event(stranger, "unmanaged.removed");
      }
      stranger.isMissed = !there.has(place);
    }
  }

  /** Where the lock keeps schedules, long before the start; where it does not, shortly before. */
  dueAt({ device_id: device, starts_at: start }) {
    const { native_preload_ms: native, just_in_time_lead_ms: justInTime } = this.config.policy;
    return start ? later(start, -(this.locks.get(device).profile.schedules ? native : justInTime)) : "";
  }

  /** The next thing to send, and what the lock holds of the code after it. */
  op(code, { info, profile, strangers }, wanted) {
    if (profile.family === "by_slot") {
      if (code.slot === null) {
        const others = [...this.codes.values()].filter(({ record }) => record.device_id === code.record.device_id);
        const taken = new Set([...others.map(({ slot }) => slot), ...strangers.keys()]);
        const slots = Array.from({ length: info.positions - profile.reserved_slots }, (_, nth) => nth + 1);
        code.slot = slots.find((slot) => !taken.has(slot)) ?? null;
      }
      if (code.slot === null) return [null, null];
      if (wanted === null) return [{ clear_slot: { slot: code.slot } }, null];
      return [{ set_slot: { slot: code.slot, pin: wanted.pin, name: wanted.name } }, wanted];
    }
    if (wanted === null || (code.held !== null && !profile.update_in_place)) return [{ delete_entry: { handle: code.handle } }, null];
    return [code.held === null ? { create_entry: wanted } : { replace_entry: { ...wanted, handle: code.handle } }, wanted];
  }

  /** Compares what a code should be with what the lock is known to hold, and does the next thing. */
  pursue(code) {
    const { record } = code;
    const lock = this.locks.get(record.device_id);
    const window = record.starts_at && { starts_at: record.starts_at, ends_at: record.ends_at };
    const isNative = Boolean(window) && lock.profile.schedules;
    if (window && this.now >= window.ends_at) code.isDoomed = true;
    // A name of its own for each content tells them apart where a lock hides the PIN.
    const name = lock.profile.family === "by_slot" ? `${record.name} ${code.version}` : record.name;
    const wanted = code.isDoomed ? null : { pin: record.code, name, window: isNative ? window : null };
    const isHeld = JSON.stringify(code.held) === JSON.stringify(wanted);
    const isDue = this.now >= this.dueAt(record);
    if (!isHeld && code.asked === null && isDue && lock.isListed && this.now >= code.notBefore) {
      const [op, after] = this.op(code, lock, wanted);
      if (op) code.asked = { id: this.send(record.device_id, code, op), wanted: after, look: null };
    }
    if (code.isDoomed && code.held === null && code.asked === null) {
      this.event(code, "deleted");
      this.codes.delete(record.access_code_id);
      return;
    }
    const isEarly = isNative ? this.now < window.starts_at : !isDue;
    const status = code.isDoomed ? "removing" : isEarly ? "unset" : isHeld ? "set" : "setting";
    const isScheduled = isNative && isHeld && !code.isDoomed;
    if (status === record.status && isScheduled === record.is_scheduled_on_device) return;
    Object.assign(record, { status, is_scheduled_on_device: isScheduled });
    this.out.push({ changed: record.access_code_id });
    if (status === "set") this.event(code, "set_on_device");
    else if (isScheduled) this.event(code, "scheduled_on_device");
  }

  wakeAt() {
    if (this.listing === null) return this.started;
    const lists = [...this.locks.values()].filter(({ listing }) => listing === null).map(({ listAt }) => listAt);
    const times = [...this.codes.values()].flatMap(({ record, notBefore }) =>
      record.starts_at ? [notBefore, this.dueAt(record), record.starts_at, record.ends_at] : [notBefore]);
    return [...lists, ...times].filter((time) => time > this.now).sort()[0] ?? null;
  }

  create(what) {
    const record = this.record(what.device_id, what.code, what.name ?? `Access Code ${this.count + 1}`, what);
    const code = { record, held: null, handle: null, slot: null, version: this.count, asked: null, isDoomed: false, notBefore: "" };
    this.codes.set(record.access_code_id, code);
    this.event(code, "created");
    return record.access_code_id;
  }

  record(device, pin, name, { starts_at, ends_at }) {
    return {
      access_code_id: idOf("code", device, ++this.count), workspace_id: this.config.workspaces[0], device_id: device, code: pin,
      common_code_key: null, created_at: this.now, starts_at, ends_at, errors: [], warnings: [],
      is_backup: false, is_external_modification_allowed: false, is_managed: true, is_offline_access_code: false,
      is_one_time_use: false, is_scheduled_on_device: false, is_waiting_for_code_assignment: false,
      name, pulled_backup_access_code_id: null, status: starts_at ? "unset" : "setting", type: starts_at ? "time_bound" : "ongoing",
    };
  }

  send(device, code, op) {
    const lock = device ? this.locks.get(device).info : { device: null, epoch: 0 };
    const id = ++this.count;
    const forCode = code && code.record.access_code_id;
    this.out.push({ command: { command_id: id, key: id, account: this.account, device: lock.device, epoch: lock.epoch, for_code: forCode, op } });
    return id;
  }

  event({ record }, name) {
    const withCode = ["scheduled_on_device", "set_on_device", "deleted"].includes(name) ? { code: record.code } : {};
    this.out.push({ event: {
      access_code_id: record.access_code_id, ...withCode, connected_account_id: this.account, created_at: this.now,
      device_id: record.device_id, event_id: idOf("event", ++this.count), event_type: `access_code.${name}`,
      occurred_at: this.now, workspace_id: record.workspace_id,
    } });
    this.out.push({ changed: record.access_code_id });
  }

  show() {
    const devices = [...this.locks.keys()].map((device) => ({
      device_id: device, errors: [], account_errors: [], warnings: [], is_backup_pool_active: false, is_backup_access_code_available: false,
    }));
    const strangers = [...this.locks.values()].flatMap((lock) => [...lock.strangers.values()]);
    return { access_codes: [...this.codes.values(), ...strangers].map(({ record }) => record), devices };
  }
}

let controller;
for await (const line of createInterface({ input: process.stdin })) {
  const [question, what] = Object.entries(JSON.parse(line))[0];
  if (question === "start") controller = new Controller(what);
  const outputs = question === "step" ? controller.step(what) : [];
  const shown = question === "start" ? {} : controller.show();
  console.log(JSON.stringify({ outputs, wake_at: controller.wakeAt(), ...shown }));
}
