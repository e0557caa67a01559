//! Lists and dicts: shared, mutable, insertion-ordered, and dropped without recursion however deep they nest.

use std::cell::RefCell;
use std::mem;
use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use indexmap::IndexMap;

use super::{Repr, Value};

/// The content of a dict: keys in the order of their insertion.
pub type Map = IndexMap<Value, Value>;

/// A list that is shared between all values that name it.
#[derive(Clone, Default)]
pub struct List(Arc<ListInner>);

/// A dict that is shared between all values that name it.
#[derive(Clone, Default)]
pub struct Dict(Arc<DictInner>);

#[derive(Default)]
struct ListInner(RwLock<Vec<Value>>);

#[derive(Default)]
struct DictInner(RwLock<Map>);

pub(crate) struct TupleInner(Vec<Value>, &'static [&'static str]);

impl TupleInner {
    /// A tuple whose elements have names.
    pub(crate) fn named(items: Vec<Value>, fields: &'static [&'static str]) -> Self {
        Self(items, fields)
    }

    /// The names of the elements, if they have any.
    pub(crate) fn fields(&self) -> &'static [&'static str] {
        self.1
    }
}

impl List {
    /// The elements, locked for reading.
    pub fn read(&self) -> RwLockReadGuard<'_, Vec<Value>> {
        self.0.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The elements, locked for writing.
    pub fn write(&self) -> RwLockWriteGuard<'_, Vec<Value>> {
        self.0.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The elements as they are now.
    pub fn snapshot(&self) -> Vec<Value> {
        self.read().clone()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    /// The element at an index.
    pub fn get(&self, index: usize) -> Option<Value> {
        self.read().get(index).cloned()
    }

    /// Whether both are the very same list.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A number that tells this list from others while it lives.
    pub(crate) fn id(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

impl From<Vec<Value>> for List {
    fn from(items: Vec<Value>) -> Self {
        Self(Arc::new(ListInner(RwLock::new(items))))
    }
}

impl Dict {
    /// The entries, locked for reading.
    pub fn read(&self) -> RwLockReadGuard<'_, Map> {
        self.0.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entries, locked for writing.
    pub fn write(&self) -> RwLockWriteGuard<'_, Map> {
        self.0.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entries as they are now.
    pub fn snapshot(&self) -> Map {
        self.read().clone()
    }

    /// The keys as they are now.
    pub fn keys(&self) -> Vec<Value> {
        self.read().keys().cloned().collect()
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    /// The value under a text key.
    pub fn get(&self, key: &str) -> Option<Value> {
        self.read().get(key).cloned()
    }

    /// The value under any key.
    pub fn get_value(&self, key: &Value) -> Option<Value> {
        self.read().get(key).cloned()
    }

    /// Whether both are the very same dict.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A number that tells this dict from others while it lives.
    pub(crate) fn id(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

impl From<Map> for Dict {
    fn from(map: Map) -> Self {
        Self(Arc::new(DictInner(RwLock::new(map))))
    }
}

impl From<Vec<Value>> for TupleInner {
    fn from(items: Vec<Value>) -> Self {
        Self(items, &[])
    }
}

impl Deref for TupleInner {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.0
    }
}

impl Drop for ListInner {
    fn drop(&mut self) {
        let items = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop_flat(items.drain(..));
    }
}

impl Drop for TupleInner {
    fn drop(&mut self) {
        drop_flat(self.0.drain(..));
    }
}

impl Drop for DictInner {
    fn drop(&mut self) {
        let map = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop_flat(map.drain(..).flat_map(|(key, value)| [key, value]));
    }
}

thread_local! {
    /// `Some` while a drop is under way on this thread: containers met inside wait here for their turn.
    static WAITING: RefCell<Option<Vec<Value>>> = const { RefCell::new(None) };
}

/// Drops values one after the other: nesting, which a template can make as deep as it likes, costs no stack.
fn drop_flat(items: impl Iterator<Item = Value>) {
    let mut batch: Vec<Value> = items
        .filter(|item| matches!(item.repr, Repr::List(_) | Repr::Dict(_) | Repr::Tuple(_)))
        .collect();
    if batch.is_empty() {
        return;
    }
    let is_first = WAITING.try_with(|waiting| match &mut *waiting.borrow_mut() {
        Some(waiting) => {
            waiting.append(&mut batch);
            false
        }
        none => {
            *none = Some(Vec::new());
            true
        }
    });
    if !is_first.unwrap_or(false) {
        return;
    }
    while !batch.is_empty() {
        batch.clear();
        WAITING.with_borrow_mut(|waiting| mem::swap(waiting.get_or_insert_default(), &mut batch));
    }
    WAITING.set(None);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_nesting_is_dropped_without_recursion() {
        let mut value = Value::list(Vec::new());
        for round in 0..300_000 {
            value = match round % 3 {
                0 => Value::list(vec![value]),
                1 => Value::tuple(vec![value]),
                _ => Value::dict([(Value::from("k"), value)].into_iter().collect()),
            };
        }
        drop(value);
    }

    #[test]
    fn a_list_is_shared_by_its_clones() {
        let value = Value::list(vec![Value::from(1)]);
        let other = value.clone();
        other.as_list().expect("a list").write().push(Value::from(2));
        assert_eq!(value.to_string(), "[1, 2]");
    }
}
