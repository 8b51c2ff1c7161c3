//! Inputs made of others.

/// Makes inputs; the same seed makes the same.
pub(crate) struct Mutator {
    state: u64,
    words: Vec<Vec<u8>>,
}

impl Mutator {
    pub(crate) fn new(seed: u64, words: Vec<Vec<u8>>) -> Mutator {
        Mutator { state: seed, words }
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most.max(1) as u64) as usize
    }

    /// One of the corpus with a few changes.
    pub(crate) fn mutated(&mut self, corpus: &[Vec<u8>], longest: usize) -> Vec<u8> {
        let mut input = corpus.get(self.below(corpus.len())).cloned().unwrap_or_default();
        for _ in 0..1 << self.below(5) {
            self.change(&mut input, corpus);
        }
        input.truncate(longest);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        const MARKS: &[u8] = b"\0\n\r\t \"'\\/:;,.=#[]{}()<>-+*%&?@~|_09azAZ\x7f\x80\xc3\xff";
        let at = self.below(input.len() + 1);
        match self.below(10) {
            0 if !input.is_empty() => {
                let (at, bit) = (self.below(input.len()), self.below(8));
                input[at] ^= 1 << bit;
            }
            1 if !input.is_empty() => {
                let at = self.below(input.len());
                input[at] = self.next() as u8;
            }
            2 if !input.is_empty() => {
                let at = self.below(input.len());
                input[at] = MARKS[self.below(MARKS.len())];
            }
            3 => {
                let mark = MARKS[self.below(MARKS.len())];
                input.insert(at, mark);
            }
            4 => {
                let end = (at + 1 + self.below(16)).min(input.len());
                input.drain(at.min(end)..end);
            }
            5 => {
                let end = (at + self.below(64)).min(input.len());
                let part = input[at..end].to_vec();
                let to = self.below(input.len() + 1);
                input.splice(to..to, part);
            }
            6 if !self.words.is_empty() => {
                let number = self.below(self.words.len());
                input.splice(at..at, self.words[number].clone());
            }
            7 => {
                let other = &corpus[self.below(corpus.len())];
                let from = self.below(other.len() + 1);
                let to = (from + self.below(256)).min(other.len());
                let end = (at + self.below(32)).min(input.len());
                input.splice(at..end, other[from..to].iter().copied());
            }
            8 => {
                let numbers =
                    ["0", "-1", "65536", "4294967296", "18446744073709551616", "1e400", "99999999999999999999999"];
                let number = numbers[self.below(numbers.len())];
                input.splice(at..at, number.bytes());
            }
            _ => input.truncate(at),
        }
    }
}
