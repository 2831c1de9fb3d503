//! A process of somebody else at the other end of three pipes. Whatever it does or leaves undone, nobody here waits for ever.

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The longest line that is read, in bytes.
const LINE_MAX: u64 = 16 << 20;
/// The end of standard error that is kept, in bytes.
const LAST_WORDS_MAX: usize = 2_000;
/// How long a process may take to go once its input has ended.
const FAREWELL: Duration = Duration::from_millis(500);
/// How long a process that closed its output may take to say why it did.
const EXPLANATION: Duration = Duration::from_secs(1);

/// A running process that answers lines with lines. It ends with this value.
#[derive(Debug)]
pub struct Conversation {
    child: Child,
    questions: Option<Sender<Vec<u8>>>,
    answers: Receiver<Heard>,
    last_words: Arc<Mutex<Vec<u8>>>,
    patience: Duration,
}

/// What came from standard output.
#[derive(Debug)]
enum Heard {
    Line(Vec<u8>),
    TooLong,
    End,
}

impl Conversation {
    /// Starts the program `words[0]` with the other words as its arguments.
    ///
    /// # Errors
    /// If the system can't start it.
    pub fn begin(words: &[String], patience: Duration) -> io::Result<Self> {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // In a group of its own, so that what it starts ends with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let missing = || io::Error::other("a pipe is missing");
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        let (questions, to_write) = channel();
        // One line ahead and no more: who floods us waits.
        let (read, answers) = sync_channel(1);
        let last_words = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&last_words);
        // Threads, because a pipe can block for ever in either direction; each ends when its pipe does.
        thread::spawn(move || write_all(stdin, &to_write));
        thread::spawn(move || read_all(stdout, &read));
        thread::spawn(move || keep_end(stderr, &kept));
        Ok(Self { child, questions: Some(questions), answers, last_words, patience })
    }

    /// Says a line, and waits for the line that answers it.
    ///
    /// # Errors
    /// What the process did instead, with its last words; it is dead then.
    pub fn ask(&mut self, mut line: Vec<u8>) -> Result<Vec<u8>, String> {
        if let Ok(Heard::Line(early)) = self.answers.try_recv() {
            return Err(self.give_up(&format!("spoke before it was asked: {}", excerpt(&early))));
        }
        line.push(b'\n');
        let is_sent = self.questions.as_ref().is_some_and(|questions| questions.send(line).is_ok());
        match self.answers.recv_timeout(self.patience) {
            Ok(Heard::Line(answer)) => Ok(answer),
            Ok(Heard::TooLong) => Err(self.give_up(&format!("wrote a line of more than {} MiB", LINE_MAX >> 20))),
            Ok(Heard::End) | Err(RecvTimeoutError::Disconnected) => {
                let how = self.end_within(EXPLANATION).map_or("closed its output".to_owned(), |status| format!("ended ({status})"));
                Err(self.give_up(&how))
            }
            Err(RecvTimeoutError::Timeout) if is_sent => {
                Err(self.give_up(&format!("did not answer within {:?} of real time", self.patience)))
            }
            Err(RecvTimeoutError::Timeout) => Err(self.give_up("closed its input")),
        }
    }

    /// Kills the process and says why, with its last words.
    pub fn give_up(&mut self, why: &str) -> String {
        self.kill();
        // What it wrote just before may still be on its way.
        thread::sleep(Duration::from_millis(10));
        let said = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        if said.is_empty() { format!("the process {why}") } else { format!("the process {why}; its last words: {said}") }
    }

    fn end_within(&mut self, time: Duration) -> Option<std::process::ExitStatus> {
        let began = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if began.elapsed() > time {
                return None;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn kill(&mut self) {
        #[cfg(unix)]
        let _ = rustix::process::kill_process_group(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::KILL);
        // Either may fail because it is dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Conversation {
    /// A process that reads the end of its input goes; one that does not is killed.
    fn drop(&mut self) {
        self.questions = None;
        if self.end_within(FAREWELL).is_none() {
            self.kill();
        }
    }
}

fn write_all(mut stdin: ChildStdin, lines: &Receiver<Vec<u8>>) {
    for line in lines {
        if stdin.write_all(&line).and_then(|()| stdin.flush()).is_err() {
            return;
        }
    }
}

fn read_all(stdout: ChildStdout, heard: &SyncSender<Heard>) {
    let mut stdout = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        let next = match stdout.by_ref().take(LINE_MAX).read_until(b'\n', &mut line) {
            Ok(1..) if line.ends_with(b"\n") => Heard::Line(line),
            Ok(read) if read as u64 == LINE_MAX => Heard::TooLong,
            // A last line without its end is still a line.
            Ok(1..) => Heard::Line(line),
            Ok(0) | Err(_) => Heard::End,
        };
        let is_last = !matches!(next, Heard::Line(_));
        if heard.send(next).is_err() || is_last {
            return;
        }
    }
}

fn keep_end(mut stderr: ChildStderr, kept: &Mutex<Vec<u8>>) {
    let mut chunk = [0; 4_096];
    while let Ok(read @ 1..) = stderr.read(&mut chunk) {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&chunk[..read]);
        let surplus = kept.len().saturating_sub(LAST_WORDS_MAX);
        kept.drain(..surplus);
    }
}

/// The beginning of a line, for a message.
pub fn excerpt(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end();
    let short: String = text.chars().take(200).collect();
    if short.len() < text.len() { format!("`{short}...`") } else { format!("`{short}`") }
}
