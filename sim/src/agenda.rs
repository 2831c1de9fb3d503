//! The event queue and virtual clock: what happens next, in an order that depends on identities and never on insertion.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use keyway_core::draw::mix;
use keyway_core::time::Timestamp;

/// What goes first at one instant (`EO-18`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Faults and healing, crashes and restarts.
    Fault,
    /// People and other apps.
    Person,
    /// Work inside vendors and locks.
    Work,
    /// Answers and notices.
    Answer,
    /// `TimedOut`.
    TimedOut,
    /// API calls.
    Call,
    /// Somebody at a keypad.
    Probe,
}

/// The order key: time, class, entity as the plan's tie order permutes it, number within its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    at: Timestamp,
    class: Class,
    entity: u64,
    sequence: u64,
}

struct Entry<T> {
    key: Key,
    item: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

/// The queue.
pub struct Agenda<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    tie_order: u64,
    sequences: Vec<u64>,
}

impl<T> Agenda<T> {
    /// An empty queue. `tie_order` 0 keeps entities in order of declaration; any other number permutes them.
    #[must_use]
    pub fn new(tie_order: u64) -> Self {
        Self { heap: BinaryHeap::new(), tie_order, sequences: Vec::new() }
    }

    /// Adds an item of `entity` (its place in the order of declaration). What one entity adds keeps its order.
    pub fn add(&mut self, at: Timestamp, class: Class, entity: u32, item: T) {
        let index = entity as usize;
        if index >= self.sequences.len() {
            self.sequences.resize(index + 1, 0);
        }
        self.sequences[index] += 1;
        let entity = if self.tie_order == 0 { u64::from(entity) } else { mix(self.tie_order ^ u64::from(entity)) };
        let key = Key { at, class, entity, sequence: self.sequences[index] };
        self.heap.push(Reverse(Entry { key, item }));
    }

    /// When the next item is due.
    #[must_use]
    pub fn next_at(&self) -> Option<Timestamp> {
        self.heap.peek().map(|Reverse(entry)| entry.key.at)
    }

    /// Takes the next item out if it is due at `at` or before.
    pub fn pop_until(&mut self, at: Timestamp) -> Option<T> {
        if self.next_at()? > at {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry.item)
    }

    /// Takes the next item out if it is due at `at` or before, and at `at` of a class before `class`.
    pub fn pop_before(&mut self, at: Timestamp, class: Class) -> Option<T> {
        let key = self.heap.peek().map(|Reverse(entry)| entry.key)?;
        if key.at > at || (key.at == at && key.class >= class) {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry.item)
    }

    /// Items waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Whether any waiting item satisfies `is`.
    pub fn any(&self, is: impl Fn(&T) -> bool) -> bool {
        self.heap.iter().any(|Reverse(entry)| is(&entry.item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_a_sorted_list_whatever_the_insertion() {
        let items: Vec<(i64, Class, u32)> = (0..500_u64)
            .map(|n| {
                let word = mix(n);
                let class = if word >> 8 & 1 == 0 { Class::Work } else { Class::Call };
                ((word % 7) as i64, class, (word >> 16) as u32 % 5)
            })
            .collect();
        let drained =
            |agenda: &mut Agenda<(i64, Class, u32)>| -> Vec<_> { std::iter::from_fn(|| agenda.pop_until(Timestamp(100))).collect() };
        let (mut forward, mut backward) = (Agenda::new(0), Agenda::new(0));
        for item in &items {
            forward.add(Timestamp(item.0), item.1, item.2, *item);
        }
        for item in items.iter().rev() {
            backward.add(Timestamp(item.0), item.1, item.2, *item);
        }
        let mut sorted = items;
        sorted.sort();
        assert_eq!(drained(&mut forward), sorted);
        assert_eq!(drained(&mut backward), sorted);
    }

    #[test]
    fn the_tie_order_permutes_entities_and_nothing_else() {
        let mut agenda = Agenda::new(9);
        for entity in 0..8 {
            agenda.add(Timestamp(1), Class::Work, entity, entity);
        }
        let mut order: Vec<_> = std::iter::from_fn(|| agenda.pop_until(Timestamp(1))).collect();
        assert_ne!(order, [0, 1, 2, 3, 4, 5, 6, 7]);
        order.sort_unstable();
        assert_eq!(order, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
