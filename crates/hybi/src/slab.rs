//! [`Slab`]: things that come and go, found again by a key, walked through in one piece of memory.

/// Where something is kept; never valid for what takes its place later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    index: usize,
    id: u64,
}

#[derive(Debug)]
pub(crate) struct Slab<T> {
    slots: Vec<Option<(u64, T)>>,
    free: Vec<usize>,
    next_id: u64,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { slots: Vec::new(), free: Vec::new(), next_id: 0 }
    }
}

impl<T> Slab<T> {
    pub(crate) fn insert(&mut self, value: T) -> Key {
        let id = self.next_id;
        self.next_id += 1;
        let index = self.free.pop().unwrap_or(self.slots.len());
        if index == self.slots.len() {
            self.slots.push(Some((id, value)));
        } else {
            self.slots[index] = Some((id, value));
        }
        Key { index, id }
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slots.get_mut(key.index)?;
        let (_, value) = slot.take_if(|(id, _)| *id == key.id)?;
        self.free.push(key.index);
        if self.is_empty() {
            // A crowd that has gone leaves no room behind.
            self.slots = Vec::new();
            self.free = Vec::new();
        }
        Some(value)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.slots.get_mut(key.index)? {
            Some((id, value)) if *id == key.id => Some(value),
            _ => None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten().map(|(_, value)| value)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().flatten().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_valid_for_what_takes_its_place() {
        let mut slab = Slab::default();
        let (a, b) = (slab.insert("a"), slab.insert("b"));
        assert_eq!(slab.remove(a), Some("a"));
        let c = slab.insert("c");
        assert_eq!(slab.remove(a), None);
        assert_eq!(slab.get_mut(a), None);
        assert_eq!(slab.get_mut(c), Some(&mut "c"));
        assert_eq!(slab.iter().copied().collect::<Vec<_>>(), ["c", "b"]);
        assert_eq!(slab.len(), 2);
        slab.remove(b);
        slab.remove(c);
        assert!(slab.is_empty());
        let d = slab.insert("d");
        assert_eq!(slab.remove(c), None);
        assert_eq!(slab.remove(d), Some("d"));
    }
}
