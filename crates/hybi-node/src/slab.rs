//! [`Slab`]: what JavaScript holds by number.
//!
//! A number that is wrong finds nothing, or another connection's value, but never memory that is
//! not ours.

use crate::napi::Refused;

const GONE: Refused = Refused(c"hybi: it has been freed, or another call works on it");

/// Values with numbers that are used again.
pub(crate) struct Slab<T> {
    values: Vec<Option<T>>,
    /// Numbers without a value.
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Slab { values: Vec::new(), free: Vec::new() }
    }

    /// Keeps a value and tells its number.
    pub(crate) fn insert(&mut self, value: T) -> Result<u32, Refused> {
        if let Some(number) = self.free.pop() {
            self.values[number as usize] = Some(value);
            return Ok(number);
        }
        let number = u32::try_from(self.values.len()).map_err(|_| GONE)?;
        self.values.push(Some(value));
        Ok(number)
    }

    /// How many values there are, lent ones included.
    pub(crate) fn len(&self) -> usize {
        self.values.len() - self.free.len()
    }

    #[inline]
    pub(crate) fn get(&mut self, number: u32) -> Result<&mut T, Refused> {
        self.values.get_mut(number as usize).and_then(Option::as_mut).ok_or(GONE)
    }

    /// Takes a value out for a while: its number stays taken. [`put_back`](Self::put_back) ends it.
    pub(crate) fn lend(&mut self, number: u32) -> Result<T, Refused> {
        self.values.get_mut(number as usize).and_then(Option::take).ok_or(GONE)
    }

    pub(crate) fn put_back(&mut self, number: u32, value: T) {
        if let Some(place) = self.values.get_mut(number as usize) {
            *place = Some(value);
        }
    }

    /// Frees a value and its number.
    pub(crate) fn remove(&mut self, number: u32) -> Result<(), Refused> {
        self.lend(number)?;
        self.free.push(number);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again_and_wrong_ones_find_nothing() {
        let mut slab = Slab::new();
        let (a, b) = (slab.insert('a').unwrap(), slab.insert('b').unwrap());
        assert_eq!((a, b), (0, 1));
        slab.remove(a).unwrap();
        assert!(slab.get(a).is_err() && slab.remove(a).is_err() && slab.get(9).is_err());
        assert_eq!(slab.len(), 1);
        assert_eq!(slab.insert('c').unwrap(), a);
        assert_eq!(slab.get(a), Ok(&mut 'c'));
    }

    #[test]
    fn the_number_of_a_lent_value_stays_taken() {
        let mut slab = Slab::new();
        let number = slab.insert('a').unwrap();
        let value = slab.lend(number).unwrap();
        assert_eq!(slab.len(), 1);
        assert!(slab.get(number).is_err() && slab.remove(number).is_err());
        assert_ne!(slab.insert('b').unwrap(), number);
        slab.put_back(number, value);
        assert_eq!(slab.get(number), Ok(&mut 'a'));
    }
}
