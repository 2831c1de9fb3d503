//! A scenario file as a tree of JSON values that remember which bytes of the file they came from.
//!
//! Sugar is resolved on this tree (`sugar`), so that an error in a variant or in the fourth repetition of a step still
//! points at the words in the file.

use std::ops::Range;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use serde_json::{Map, Number, Value};

/// A JSON value with the bytes it came from.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it stands in the file.
    pub bytes: Range<usize>,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `null`, `true`, `false` or a number.
    Plain(Value),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// An object, in the file's order.
    Object(Vec<Field>),
}

/// A key with its value.
#[derive(Clone, Debug)]
pub struct Field {
    /// The key.
    pub key: String,
    /// Where the key stands, quotes included.
    pub key_bytes: Range<usize>,
    /// The value.
    pub value: Node,
}

/// One step from a value to one inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into an object.
    Key(String),
    /// Into a list.
    Index(usize),
}

/// A key that an object has twice.
pub struct Doubled {
    /// The key.
    pub key: String,
    /// Its second place.
    pub bytes: Range<usize>,
}

impl Node {
    /// The tree of a parsed file.
    ///
    /// # Errors
    /// If an object has a key twice.
    pub fn of(value: &ast::Value) -> Result<Self, Doubled> {
        let bytes = value.start()..value.end();
        let kind = match value {
            ast::Value::StringLit(text) => Kind::Text(text.value.clone().into_owned()),
            ast::Value::NumberLit(number) => Kind::Plain(number.value.parse::<Number>().map_or(Value::Null, Value::Number)),
            ast::Value::BooleanLit(truth) => Kind::Plain(Value::Bool(truth.value)),
            ast::Value::NullKeyword(_) => Kind::Plain(Value::Null),
            ast::Value::Array(list) => Kind::List(list.elements.iter().map(Self::of).collect::<Result<_, _>>()?),
            ast::Value::Object(object) => Kind::Object(fields(object)?),
        };
        Ok(Self { bytes, kind })
    }

    /// The fields, if it is an object.
    #[must_use]
    pub fn fields(&self) -> Option<&[Field]> {
        match &self.kind {
            Kind::Object(fields) => Some(fields),
            Kind::Plain(_) | Kind::Text(_) | Kind::List(_) => None,
        }
    }

    /// The field with this key, if it is an object that has it.
    #[must_use]
    pub fn field(&self, key: &str) -> Option<&Field> {
        self.fields()?.iter().find(|field| field.key == key)
    }

    /// Takes the field with this key out.
    pub fn take(&mut self, key: &str) -> Option<Field> {
        let Kind::Object(fields) = &mut self.kind else { return None };
        let at = fields.iter().position(|field| field.key == key)?;
        Some(fields.remove(at))
    }

    /// Where a path leads, as far as it goes; for a path that ends at a key, `of_key` chooses the key's place.
    #[must_use]
    pub fn locate(&self, path: &[Step], of_key: bool) -> Range<usize> {
        let mut node = self;
        for (depth, step) in path.iter().enumerate() {
            let next = match (step, &node.kind) {
                (Step::Key(key), Kind::Object(fields)) => {
                    let Some(field) = fields.iter().find(|field| field.key == *key) else { break };
                    if of_key && depth + 1 == path.len() {
                        return field.key_bytes.clone();
                    }
                    &field.value
                }
                (Step::Index(index), Kind::List(list)) => match list.get(*index) {
                    Some(next) => next,
                    None => break,
                },
                (Step::Key(_) | Step::Index(_), _) => break,
            };
            node = next;
        }
        node.bytes.clone()
    }

    /// The value without its places.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Plain(value) => value.clone(),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(list) => Value::Array(list.iter().map(Self::to_value).collect()),
            Kind::Object(fields) => {
                Value::Object(fields.iter().map(|field| (field.key.clone(), field.value.to_value())).collect::<Map<_, _>>())
            }
        }
    }
}

fn fields(object: &ast::Object) -> Result<Vec<Field>, Doubled> {
    let mut fields: Vec<Field> = Vec::with_capacity(object.properties.len());
    for property in &object.properties {
        let (key, key_bytes) = (property.name.as_str().to_owned(), property.name.start()..property.name.end());
        if fields.iter().any(|field| field.key == key) {
            return Err(Doubled { key, bytes: key_bytes });
        }
        fields.push(Field { key, key_bytes, value: Node::of(&property.value)? });
    }
    Ok(fields)
}
