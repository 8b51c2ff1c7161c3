//! A slab: values under small numbers that are used again, so that memory is that of the most alive at once.

/// Values by number.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    values: Vec<T>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Slab<T> {
        Slab { values: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// An empty one with room for `count` values: growing would hold the old memory beside the new.
    pub(crate) fn with_capacity(count: usize) -> Slab<T> {
        Slab { values: Vec::with_capacity(count), free: Vec::new() }
    }

    /// Puts a value under the number that was given back last, or a new one.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        match self.free.pop() {
            Some(number) => {
                self.values[number as usize] = value;
                number
            }
            None => {
                self.values.push(value);
                (self.values.len() - 1) as u32
            }
        }
    }

    /// Gives a number back. Its value stays until the number is used again.
    pub(crate) fn release(&mut self, number: u32) {
        self.free.push(number);
    }

    /// How many numbers were ever in use at once.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}

impl<T: Default> Slab<T> {
    /// A number whose value is as it was left: for buffers that keep their memory.
    pub(crate) fn reuse(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.values.push(T::default());
            (self.values.len() - 1) as u32
        })
    }
}

impl<T> std::ops::Index<u32> for Slab<T> {
    type Output = T;
    fn index(&self, number: u32) -> &T {
        &self.values[number as usize]
    }
}

impl<T> std::ops::IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, number: u32) -> &mut T {
        &mut self.values[number as usize]
    }
}
