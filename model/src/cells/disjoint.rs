//! Disjoint sets (union-find with path halving).

/// Sets of the numbers from 0. Each set has a root, which stands for it.
#[derive(Default)]
pub struct Disjoint {
    /// An element nearer to the root, or for a root itself.
    parents: Vec<u32>,
}

impl Disjoint {
    /// Adds the next number as a set of its own and returns it.
    pub fn add(&mut self) -> u32 {
        let id = self.parents.len() as u32;
        self.parents.push(id);
        id
    }

    /// The root of the set that an element is in.
    pub fn root(&mut self, mut id: u32) -> u32 {
        while !self.is_root(id) {
            let up = self.parents[self.parents[id as usize] as usize];
            self.parents[id as usize] = up;
            id = up;
        }
        id
    }

    pub fn is_root(&self, id: u32) -> bool {
        self.parents[id as usize] == id
    }

    /// Makes the set of the root `from` part of that of the root `into`, which stays its root.
    pub fn merge(&mut self, from: u32, into: u32) {
        self.parents[from as usize] = into;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_sets_have_the_root_that_was_chosen() {
        let mut sets = Disjoint::default();
        let [a, b, c, d] = [(); 4].map(|()| sets.add());
        sets.merge(a, b);
        sets.merge(b, c);
        assert_eq!([a, b, c, d].map(|id| sets.root(id)), [c, c, c, d]);
        assert_eq!([a, b, c, d].map(|id| sets.is_root(id)), [false, false, true, true]);
    }
}
