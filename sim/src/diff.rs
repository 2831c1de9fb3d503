//! Compares two traces: the same plan must give the same lines, and the first one that differs says where the runs part.

use serde::Serialize;
use serde_json::Value;

/// Where two traces part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The line, from 1; those before are the same.
    pub line: usize,
    /// The first place in it where the two differ, as a JSON pointer.
    pub place: String,
    /// The line of the one trace; none: it has ended.
    pub one: Option<Value>,
    /// That of the other one.
    pub other: Option<Value>,
}

/// A line that is none of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoTrace {
    /// Whether it is one of the second text.
    pub is_of_other: bool,
    /// Which, from 1.
    pub line: usize,
    /// Where in it, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// The first line in which two traces differ.
///
/// # Errors
/// If a text is no trace, as far as it was read.
pub fn first_difference(one: &str, other: &str) -> Result<Option<Difference>, NoTrace> {
    let (mut ones, mut others) = (one.lines(), other.lines());
    for line in 1.. {
        let (one, other) = (ones.next(), others.next());
        if one == other && line > 1 {
            if one.is_none() {
                break;
            }
            continue;
        }
        let (one_value, other_value) = (read(one, false, line)?, read(other, true, line)?);
        if line == 1 && (one.is_none() || other.is_none()) {
            let message = "the file is empty; expected a trace".to_owned();
            return Err(NoTrace { is_of_other: one.is_some(), line, column: 1, message });
        }
        if one != other {
            let mut place = String::new();
            if let (Some(one), Some(other)) = (&one_value, &other_value) {
                parting(one, other, &mut place);
            }
            return Ok(Some(Difference { line, place, one: one_value, other: other_value }));
        }
    }
    Ok(None)
}

fn read(text: Option<&str>, is_of_other: bool, line: usize) -> Result<Option<Value>, NoTrace> {
    let Some(text) = text else { return Ok(None) };
    let bad = |column: usize, message: String| NoTrace { is_of_other, line, column, message };
    let value: Value = serde_json::from_str(text).map_err(|wrong| {
        let message = wrong.to_string();
        bad(wrong.column().max(1), format!("no JSON: {}", message.split(" at line ").next().unwrap_or(&message)))
    })?;
    if value.get("occurrence").is_none() && value.get("hash").is_none() {
        return Err(bad(1, "expected a line of a trace, with `at` and `occurrence`, or the last one with `hash`".to_owned()));
    }
    Ok(Some(value))
}

/// Follows two values down to the first place where they differ.
fn parting(one: &Value, other: &Value, place: &mut String) {
    let below: Vec<(String, &Value, Option<&Value>)> = match (one, other) {
        (Value::Object(ones), Value::Object(others)) if ones.len() == others.len() => {
            ones.iter().map(|(key, value)| (key.clone(), value, others.get(key))).collect()
        }
        (Value::Array(ones), Value::Array(others)) if ones.len() == others.len() => {
            ones.iter().zip(others).enumerate().map(|(n, (value, other))| (n.to_string(), value, Some(other))).collect()
        }
        _ => return,
    };
    for (step, one, other) in below {
        match other {
            Some(other) if one == other => {}
            Some(other) => {
                place.push('/');
                place.push_str(&step);
                return parting(one, other, place);
            }
            // Other keys: the whole differs.
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str =
        "{\"at\":0,\"occurrence\":\"woken\"}\n{\"at\":5,\"occurrence\":{\"entered\":{\"pin\":\"1\",\"lock\":0}}}\n{\"hash\":\"0a\"}\n";

    #[test]
    fn the_same_is_the_same() {
        assert_eq!(first_difference(ONE, ONE), Ok(None));
    }

    #[test]
    fn the_first_difference_is_named_with_its_place() {
        let found = first_difference(ONE, &ONE.replace("\"pin\":\"1\"", "\"pin\":\"2\"").replace("0a", "0b")).unwrap().unwrap();
        assert_eq!((found.line, found.place.as_str()), (2, "/occurrence/entered/pin"));
        let other_kind = first_difference(ONE, &ONE.replace("entered", "left")).unwrap().unwrap();
        assert_eq!((other_kind.line, other_kind.place.as_str()), (2, "/occurrence"));
        let shorter = first_difference(ONE, ONE.lines().next().unwrap()).unwrap().unwrap();
        assert_eq!((shorter.line, shorter.other), (2, None));
    }

    #[test]
    fn what_is_no_trace_is_told() {
        let wrong = |one: &str, other: &str| first_difference(one, other).unwrap_err();
        assert!(wrong(ONE, "").is_of_other && wrong("", ONE).message.contains("empty"));
        let cut = wrong(ONE, &ONE[..ONE.len() - 5]);
        assert_eq!((cut.is_of_other, cut.line), (true, 3));
        assert!(wrong("{}", "{}").message.starts_with("expected a line of a trace"));
    }
}
