// A small controller for cloud locks that keep schedules, for Node and nothing else: one JSON object a line, in and out.
//
//     keyway run scenarios/happy/generic-cloud.json --controller 'node sim/examples/controller.mjs'
//
// It does what controller.py beside it does, but forgets everything when it is started again, and it believes an error:
// `keyway run scenarios/field/F-01-the-cloud-said-502.json` with it shows what comes of that.
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";

const WORD = (1n << 64n) - 1n;
const HOUR = 3_600_000;

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
    for (const code of this.codes.values()) this.pursue(code);
    const commands = this.out.filter((output) => output.command);
    return [...this.out.filter((output) => !output.command), { save: "" }, ...said, ...commands];
  }

  call(request) {
    const [kind, what] = Object.entries(request)[0];
    if (kind === "create") {
      const lock = this.locks.get(what.device_id);
      if (!lock) return { Err: "device_not_found" };
      if (!/^\d+$/.test(what.code ?? "") || !lock.lengths.includes(what.code.length)) return { Err: "invalid_input" };
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
        this.locks.set(device, info);
        this.out.push({ changed_device: device });
      }
      return;
    }
    const code = [...this.codes.values()].find(({ asked }) => asked?.id === id);
    if (!code || kind === "accepted") return;
    const { wanted } = code.asked;
    code.asked = null;
    if (kind === "done" || (kind === "not_found" && wanted === null)) {
      code.held = wanted;
      code.handle = what?.handle ?? code.handle;
      if (wanted === null) this.event(code, "removed_from_device");
    } else if (kind === "server_error" && code.held === null) {
      // The first bug: an error is believed, although the vendor may have stored the code.
      code.isDoomed = true;
    } else {
      code.notBefore = later(this.now, 60_000);
    }
  }

  /** Compares what a code should be with what the lock is known to hold, and does the next thing. */
  pursue(code) {
    const { record } = code;
    const window = record.starts_at && { starts_at: record.starts_at, ends_at: record.ends_at };
    if (window && this.now >= window.ends_at) code.isDoomed = true;
    const wanted = code.isDoomed ? null : { pin: record.code, name: record.name, window };
    const isHeld = JSON.stringify(code.held) === JSON.stringify(wanted);
    const isDue = !window || this.now >= later(window.starts_at, -72 * HOUR);
    if (!isHeld && code.asked === null && isDue && this.now >= code.notBefore) {
      const op = wanted === null ? { delete_entry: { handle: code.handle } }
        : code.held === null ? { create_entry: wanted } : { replace_entry: { ...wanted, handle: code.handle } };
      code.asked = { id: this.send(record.device_id, code, op), wanted };
    }
    if (code.isDoomed && code.held === null && code.asked === null) {
      this.event(code, "deleted");
      this.codes.delete(record.access_code_id);
      return;
    }
    const isEarly = window && this.now < window.starts_at;
    const status = code.isDoomed ? "removing" : isEarly ? "unset" : isHeld ? "set" : "setting";
    const isScheduled = Boolean(window) && isHeld && !code.isDoomed;
    if (status === record.status && isScheduled === record.is_scheduled_on_device) return;
    Object.assign(record, { status, is_scheduled_on_device: isScheduled });
    this.out.push({ changed: record.access_code_id });
    if (status === "set") this.event(code, "set_on_device");
    else if (isScheduled) this.event(code, "scheduled_on_device");
  }

  wakeAt() {
    if (this.listing === null) return this.started;
    const times = [...this.codes.values()].flatMap(({ record, notBefore }) =>
      record.starts_at ? [notBefore, later(record.starts_at, -72 * HOUR), record.starts_at, record.ends_at] : [notBefore]);
    return times.filter((time) => time > this.now).sort()[0] ?? null;
  }

  create(what) {
    const id = idOf("code", what.device_id, ++this.count);
    const record = {
      access_code_id: id, workspace_id: this.config.workspaces[0], device_id: what.device_id, code: what.code,
      common_code_key: null, created_at: this.now, starts_at: what.starts_at, ends_at: what.ends_at, errors: [], warnings: [],
      is_backup: false, is_external_modification_allowed: false, is_managed: true, is_offline_access_code: false,
      is_one_time_use: false, is_scheduled_on_device: false, is_waiting_for_code_assignment: false,
      name: what.name ?? `Access Code ${this.count}`, pulled_backup_access_code_id: null,
      status: what.starts_at ? "unset" : "setting", type: what.starts_at ? "time_bound" : "ongoing",
    };
    const code = { record, held: null, handle: null, asked: null, isDoomed: false, notBefore: "" };
    this.codes.set(id, code);
    this.event(code, "created");
    return id;
  }

  send(device, code, op) {
    const lock = device ? this.locks.get(device) : { device: null, epoch: 0 };
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
    return { access_codes: [...this.codes.values()].map(({ record }) => record), devices };
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
