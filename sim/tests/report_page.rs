//! The pages for a browser, in a real one without a window: they open without a complaint, can be used, and show something.
//!
//! Without a Chromium this says so and passes, unless `KEYWAY_BROWSER` is `required`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than any of these pages takes, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_mins(2);

/// A frame, or a step of the scrubber, of a story with 10,000 events, painted without a graphics card: several times what it takes, so
/// that a busy machine does not fail.
const SMOOTH_MS: f64 = 120.0;

struct Browser {
    program: PathBuf,
    folder: tempfile::TempDir,
}

struct Seen {
    found: Value,
    complaints: Vec<String>,
}

impl Browser {
    /// The browser of this machine; none, with a word, if there is none and none is required.
    fn find() -> Option<Self> {
        let named = std::env::var_os("KEYWAY_CHROMIUM").map(PathBuf::from);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
        let on_path = std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name))).find(|program| program.is_file());
        let Some(program) = named.or(on_path) else {
            let is_required = std::env::var_os("KEYWAY_BROWSER").is_some_and(|word| word == "required");
            assert!(!is_required, "no Chromium on this machine, and KEYWAY_BROWSER says that it is required");
            eprintln!("SKIPPED: no Chromium on this machine; `apt-get install chromium`, or name one by KEYWAY_CHROMIUM");
            return None;
        };
        Some(Self { program, folder: tempfile::tempdir().unwrap() })
    }

    fn run(&self, page: &Path, arguments: &[&str]) -> (String, String) {
        let (out, complaints) = (self.folder.path().join("out"), self.folder.path().join("complaints"));
        let mut child = Command::new(&self.program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run"])
            .args(["--enable-logging=stderr", "--window-size=1280,1200"])
            .arg(format!("--user-data-dir={}", self.folder.path().join("profile").display()))
            .args(arguments)
            .arg(format!("file://{}", page.display()))
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&out).unwrap())
            .stderr(std::fs::File::create(&complaints).unwrap())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if began.elapsed() > PATIENCE {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("the browser does not end with {}", page.display());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let read = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        (read(&out), read(&complaints))
    }

    /// What a script finds in a page, and what the browser complains of.
    fn look(&self, page: &Path, script: &str) -> Seen {
        let text = std::fs::read_to_string(page).unwrap();
        let watched = text.replacen("<style>", &format!("<script>{}</script>\n<style>", include_str!("report_page/watch.js")), 1).replacen(
            "</body>",
            &format!("<script>{script}</script></body>"),
            1,
        );
        let under_test = self.folder.path().join("under-test.html");
        std::fs::write(&under_test, watched).unwrap();
        let (dom, complaints) = self.run(&under_test, &["--dump-dom"]);
        let found = dom.rsplit_once("<pre id=\"found\">").and_then(|(_, rest)| rest.split("</pre>").next());
        let found = found.map_or(Value::Null, |json| {
            let json = json.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            serde_json::from_str(&json).unwrap()
        });
        // The checks read the canvas back, which is worth a remark to the browser.
        let is_complaint = |line: &&str| line.contains("CONSOLE") && !line.contains("willReadFrequently");
        Seen { found, complaints: complaints.lines().filter(is_complaint).map(str::to_owned).collect() }
    }

    /// How many colours a picture of the page has, and which share of it is the commonest one.
    fn picture(&self, page: &Path) -> (usize, f64) {
        let file = self.folder.path().join("picture.png");
        self.run(page, &[&format!("--screenshot={}", file.display())]);
        let mut reader = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(file).unwrap())).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let mut counts = std::collections::BTreeMap::new();
        let size = info.line_size / info.width as usize;
        for pixel in pixels[..info.buffer_size()].chunks(size) {
            *counts.entry(&pixel[..3]).or_insert(0_u32) += 1;
        }
        let commonest = counts.values().max().copied().unwrap_or(0);
        (counts.len(), f64::from(commonest) / f64::from(info.width * info.height))
    }
}

/// Writes a page with the program.
fn page(folder: &Path, arguments: &[&str]) -> PathBuf {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let file = folder.join("page.html");
    let done =
        Command::new(env!("CARGO_BIN_EXE_keyway")).current_dir(home).arg("report").args(arguments).arg("-o").arg(&file).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    file
}

fn assert_used(seen: &Seen) {
    let Seen { found, complaints } = seen;
    assert!(complaints.is_empty(), "{complaints:#?}");
    assert_eq!(found["wrong"], Value::Array(vec![]), "{found:#}");
    let all = ["masked", "unmasked", "masked_again", "scrubbed", "stepped", "at_end", "zoomed", "fits", "violation", "help", "hovered"];
    for what in all {
        assert_eq!(found[what], true, "{what}: {found:#}");
    }
    for what in ["without_a_word", "without_a_rule"] {
        assert_eq!(found[what], Value::Array(vec![]), "{what}");
    }
    assert!(found["colours"].as_u64().unwrap() > 20, "{found:#}");
}

#[test]
fn pages_open_in_a_browser() {
    let Some(browser) = Browser::find() else { return };
    let folder = tempfile::tempdir().unwrap();

    // A page that complains is noticed, or the other checks would prove nothing.
    let bad = folder.path().join("bad.html");
    std::fs::write(&bad, "<html><head><style></style></head><body><script>console.error('lost'); nothing()</script></body></html>")
        .unwrap();
    let seen = browser.look(&bad, "document.body.innerHTML += '<pre id=\"found\">' + JSON.stringify(window.wrong) + '</pre>'");
    assert!(seen.complaints.len() >= 2 && seen.found[0].as_str().is_some_and(|why| why.contains("nothing")), "{:?}", seen.complaints);

    let run = include_str!("report_page/check_run.js");
    let guest = page(folder.path(), &["scenarios/guest/backup-on-a-bad-night.json"]);
    assert_used(&browser.look(&guest, run));
    let (colours, commonest) = browser.picture(&guest);
    assert!(colours > 100 && commonest < 0.9, "a picture of {colours} colours, {commonest} of it one of them");

    let finding = ["scenarios/field/F-04-somebody-elses-code.json", "--only", "F-04-somebody-elses-code", "--mutant", "occupied-is-set"];
    let seen = browser.look(&page(folder.path(), &finding), run);
    assert_used(&seen);
    assert!(seen.found["differences"].as_u64().unwrap() > 0, "what the lock holds differs from what is shown: {:#}", seen.found);

    let sweep = folder.path().join("sweep.jsonl");
    let done = Command::new(env!("CARGO_BIN_EXE_keyway"))
        .current_dir(folder.path())
        .args(["sweep", "--seeds", "0..40", "--no-shrink", "--out"])
        .arg(&sweep)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert_ne!(done.code(), Some(2));
    let seen = browser.look(&page(folder.path(), &[sweep.to_str().unwrap()]), include_str!("report_page/check_sweep.js"));
    assert!(seen.complaints.is_empty(), "{:#?}", seen.complaints);
    assert_eq!((&seen.found["is_worded"], &seen.found["figures"]), (&true.into(), &8.into()), "{:#}", seen.found);
    assert!(seen.found["armed"].as_u64().unwrap() > 60 && seen.found["marks"].as_u64().unwrap() > 20, "{:#}", seen.found);
}

#[test]
fn ten_thousand_events_stay_smooth() {
    let Some(browser) = Browser::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("busy.json");
    let text = r#"{ "name": "busy", "horizon": "170h", "devices": [{ "name": "door", "vendor": "generic_cloud" }],
      "steps": [
        { "at": "+1m", "do": { "create": { "code": "ann", "on": "door", "pin": "1905" } } },
        { "at": "+1h", "do": { "enter_repeatedly": { "enter": { "on": "door", "code": "ann", "must": "open" }, "every": "1m", "until": "+168h" } } }
      ] }"#;
    std::fs::write(&plan, text).unwrap();
    let busy = page(folder.path(), &[plan.to_str().unwrap()]);
    assert!(std::fs::read_to_string(&busy).unwrap().matches("\"opened\":true").count() > 10_000);
    let seen = browser.look(&busy, include_str!("report_page/check_run.js"));
    assert_used(&seen);
    for what in ["frame_ms", "step_ms"] {
        let took_ms = seen.found[what].as_f64().unwrap();
        println!("{what} {took_ms}");
        assert!(took_ms < SMOOTH_MS, "{what} is {took_ms}");
    }
}
