//! A Merkle tree over the record, so that one record's place in it can be proved with a few hashes, without showing the
//! others.
//!
//! Trees, hashes and proofs are those of RFC 9162 (which are RFC 6962's), with SHA-256. A leaf's data is the hash that a
//! record has in the chain (32 bytes).
//!
//! <https://www.rfc-editor.org/rfc/rfc9162#section-2.1>

use sha2::{Digest as _, Sha256};

/// A hash in the tree: of a leaf, of a node, of the whole.
pub type Hash = [u8; 32];

/// The hash of a leaf.
pub fn leaf(data: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(data).finalize().into()
}

/// The hash of what has these two below it.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of a tree without leaves.
pub fn empty() -> Hash {
    Sha256::digest([]).into()
}

/// The right edge of a growing tree: enough to go on, and to tell the root, in one hash for each bit of its size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Roots of the complete trees it consists of, the largest first.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size = self.size.saturating_add(1);
    }

    /// The root as it is now.
    pub fn root(&self) -> Hash {
        let joined = self.peaks.iter().rev().copied().reduce(|right, left| node(&left, &right));
        joined.unwrap_or_else(empty)
    }
}

/// A whole tree, for making proofs. It takes 64 bytes for each leaf.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// The roots of the complete trees of 1, 2, 4, ... leaves.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Adds a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for level in 0.. {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let Some(here) = self.levels.get_mut(level) else { return };
            let left = if here.len() % 2 == 1 { here.last().copied() } else { None };
            here.push(hash);
            match left {
                Some(left) => hash = node(&left, &hash),
                None => return,
            }
        }
    }

    /// The root of the first `size` leaves; `None` where there are fewer.
    pub fn root(&self, size: u64) -> Option<Hash> {
        if size == 0 { Some(empty()) } else { self.over(0, size) }
    }

    /// The proof that the leaf at `index` (the first is 0) is in the tree of the first `size` leaves.
    pub fn inclusion(&self, index: u64, size: u64) -> Option<Vec<Hash>> {
        if index >= size || size > self.size() {
            return None;
        }
        let mut proof = Vec::new();
        self.path(index, 0, size, &mut proof)?;
        Some(proof)
    }

    /// The proof that the tree of the first `older` leaves is the beginning of that of the first `newer` ones.
    pub fn consistency(&self, older: u64, newer: u64) -> Option<Vec<Hash>> {
        if older == 0 || older > newer || newer > self.size() {
            return None;
        }
        let mut proof = Vec::new();
        self.common(older, 0, newer, true, &mut proof)?;
        Some(proof)
    }

    /// `PATH` of RFC 9162, section 2.1.3.1.
    fn path(&self, index: u64, start: u64, end: u64, proof: &mut Vec<Hash>) -> Option<()> {
        if end.checked_sub(start)? == 1 {
            return Some(());
        }
        let middle = middle(start, end)?;
        if index < middle {
            self.path(index, start, middle, proof)?;
            proof.push(self.over(middle, end)?);
        } else {
            self.path(index, middle, end, proof)?;
            proof.push(self.over(start, middle)?);
        }
        Some(())
    }

    /// `SUBPROOF` of RFC 9162, section 2.1.4.1; `older` is an index of the whole tree.
    fn common(&self, older: u64, start: u64, end: u64, known: bool, proof: &mut Vec<Hash>) -> Option<()> {
        if older == end {
            if !known {
                proof.push(self.over(start, end)?);
            }
            return Some(());
        }
        let middle = middle(start, end)?;
        if older <= middle {
            self.common(older, start, middle, known, proof)?;
            proof.push(self.over(middle, end)?);
        } else {
            self.common(older, middle, end, false, proof)?;
            proof.push(self.over(start, middle)?);
        }
        Some(())
    }

    /// The root over the leaves from `start` to before `end`, as the tree has them in one piece.
    fn over(&self, start: u64, end: u64) -> Option<Hash> {
        let size = end.checked_sub(start)?;
        if size.is_power_of_two() && start.is_multiple_of(size) {
            let complete = self.levels.get(usize::try_from(size.trailing_zeros()).ok()?)?;
            return complete.get(usize::try_from(start / size).ok()?).copied();
        }
        let middle = middle(start, end)?;
        Some(node(&self.over(start, middle)?, &self.over(middle, end)?))
    }
}

/// Where a tree is parted: the largest power of two that is less than its size goes to the left.
fn middle(start: u64, end: u64) -> Option<u64> {
    let below = end.checked_sub(start)?.checked_sub(1)?;
    start.checked_add(1 << below.checked_ilog2()?)
}

/// True where `proof` proves that the leaf with this hash is at `index` (the first is 0) of the tree of `size` leaves with
/// this root. RFC 9162, section 2.1.3.2.
pub fn includes(leaf: Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> bool {
    let Some(mut last) = size.checked_sub(1).filter(|last| index <= *last) else { return false };
    let (mut at, mut hash) = (index, leaf);
    for part in proof {
        if last == 0 {
            return false;
        }
        if at % 2 == 1 || at == last {
            hash = node(part, &hash);
            climb(&mut at, &mut last);
        } else {
            hash = node(&hash, part);
        }
        (at, last) = (at / 2, last / 2);
    }
    last == 0 && hash == *root
}

/// True where `proof` proves that the tree of `newer` leaves begins with the tree of `older` leaves. RFC 9162, section
/// 2.1.4.2.
pub fn extends(older: u64, older_root: &Hash, newer: u64, newer_root: &Hash, proof: &[Hash]) -> bool {
    if older == newer {
        return proof.is_empty() && older_root == newer_root;
    }
    let (Some(mut at), Some(mut last)) = (older.checked_sub(1), newer.checked_sub(1)) else { return false };
    if older > newer {
        return false;
    }
    let own = older.is_power_of_two().then_some(older_root);
    let mut parts = own.into_iter().chain(proof);
    let Some(first) = parts.next() else { return false };
    while at % 2 == 1 {
        (at, last) = (at / 2, last / 2);
    }
    let (mut before, mut after) = (*first, *first);
    for part in parts {
        if last == 0 {
            return false;
        }
        if at % 2 == 1 || at == last {
            before = node(part, &before);
            after = node(part, &after);
            climb(&mut at, &mut last);
        } else {
            after = node(&after, part);
        }
        (at, last) = (at / 2, last / 2);
    }
    last == 0 && before == *older_root && after == *newer_root
}

/// Skips the levels on which a node at the right edge stands alone.
fn climb(at: &mut u64, last: &mut u64) {
    while at.is_multiple_of(2) && *at != 0 {
        (*at, *last) = (*at / 2, *last / 2);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    /// Leaves and roots that the implementations of Certificate Transparency test themselves with.
    const LEAVES: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    fn tree(leaves: &[Hash]) -> Tree {
        let mut tree = Tree::default();
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        tree
    }

    fn frontier(leaves: &[Hash]) -> Frontier {
        let mut frontier = Frontier::default();
        leaves.iter().for_each(|leaf| frontier.push(*leaf));
        frontier
    }

    fn known() -> Vec<Hash> {
        LEAVES.iter().map(|data| leaf(&hex::decode(data).unwrap())).collect()
    }

    fn hashes(proof: &[Hash]) -> Vec<String> {
        proof.iter().map(hex::encode).collect()
    }

    /// `MTH` as RFC 6962 writes it down.
    fn naive(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty(),
            [one] => *one,
            more => {
                let mut half = 1;
                while half * 2 < more.len() {
                    half *= 2;
                }
                node(&naive(&more[..half]), &naive(&more[half..]))
            }
        }
    }

    /// `PATH` as RFC 6962 writes it down.
    fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let mut half = 1;
        while half * 2 < leaves.len() {
            half *= 2;
        }
        let (left, right) = leaves.split_at(half);
        if index < half {
            [naive_path(index, left), vec![naive(right)]].concat()
        } else {
            [naive_path(index - half, right), vec![naive(left)]].concat()
        }
    }

    fn leaves(most: usize) -> impl Strategy<Value = Vec<Hash>> {
        prop::collection::vec(any::<[u8; 4]>(), 1..most).prop_map(|all| {
            all.iter().enumerate().map(|(at, data)| leaf(&[&at.to_be_bytes()[..], data].concat())).collect()
        })
    }

    #[test]
    fn roots_are_those_that_others_compute() {
        let leaves = known();
        for (size, root) in ROOTS.iter().enumerate() {
            assert_eq!(hex::encode(frontier(&leaves[..size]).root()), *root, "{size}");
            assert_eq!(hex::encode(tree(&leaves).root(size as u64).unwrap()), *root, "{size}");
        }
    }

    #[test]
    fn proofs_are_those_that_others_compute() {
        let tree = tree(&known());
        assert_eq!(
            hashes(&tree.inclusion(0, 8).unwrap()),
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ]
        );
        assert_eq!(
            hashes(&tree.inclusion(5, 8).unwrap()),
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
        );
        assert_eq!(
            hashes(&tree.consistency(6, 8).unwrap()),
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
        );
        assert_eq!(hashes(&tree.consistency(1, 8).unwrap()), hashes(&tree.inclusion(0, 8).unwrap()));
    }

    #[test]
    fn what_is_not_there_has_no_proof() {
        let tree = tree(&known());
        assert_eq!((tree.inclusion(8, 8), tree.inclusion(0, 9), tree.inclusion(0, 0)), (None, None, None));
        assert_eq!((tree.consistency(0, 8), tree.consistency(5, 4), tree.consistency(5, 9)), (None, None, None));
        assert_eq!((tree.root(0), tree.root(9)), (Some(empty()), None));
        assert!(!includes(leaf(b""), 0, 0, &[], &empty()));
        assert!(!includes(leaf(b""), u64::MAX, u64::MAX, &[], &empty()));
        assert!(!extends(0, &empty(), 8, &tree.root(8).unwrap(), &[]));
    }

    proptest! {
        #[test]
        fn roots_and_paths_are_the_definition_s(leaves in leaves(70), at in any::<Index>(), size in any::<Index>()) {
            let size = size.index(leaves.len()) + 1;
            let at = at.index(size);
            let tree = tree(&leaves);
            prop_assert_eq!(frontier(&leaves[..size]).root(), naive(&leaves[..size]));
            prop_assert_eq!(tree.root(size as u64), Some(naive(&leaves[..size])));
            prop_assert_eq!(tree.inclusion(at as u64, size as u64), Some(naive_path(at, &leaves[..size])));
        }

        #[test]
        fn a_proof_of_inclusion_proves_its_leaf_at_its_place_and_nothing_else(
            leaves in leaves(70), at in any::<Index>(), other in any::<Index>(), bit in 0..256_usize,
        ) {
            let (tree, size) = (tree(&leaves), leaves.len() as u64);
            let at = at.index(leaves.len());
            let (root, proof) = (tree.root(size).unwrap(), tree.inclusion(at as u64, size).unwrap());
            prop_assert!(includes(leaves[at], at as u64, size, &proof, &root));
            let other = other.index(leaves.len());
            if other != at {
                prop_assert!(!includes(leaves[other], at as u64, size, &proof, &root));
                prop_assert!(!includes(leaves[at], other as u64, size, &proof, &root));
            }
            let flipped = |hash: &Hash| { let mut hash = *hash; hash[bit / 8] ^= 1 << (bit % 8); hash };
            prop_assert!(!includes(flipped(&leaves[at]), at as u64, size, &proof, &root));
            prop_assert!(!includes(leaves[at], at as u64, size, &proof, &flipped(&root)));
            for part in 0..proof.len() {
                let mut changed = proof.clone();
                changed[part] = flipped(&changed[part]);
                prop_assert!(!includes(leaves[at], at as u64, size, &changed, &root));
                changed.remove(part);
                prop_assert!(!includes(leaves[at], at as u64, size, &changed, &root));
            }
            prop_assert!(!includes(leaves[at], at as u64, size, &[proof, vec![root]].concat(), &root));
        }

        #[test]
        fn a_proof_of_consistency_proves_a_beginning_and_nothing_else(
            leaves in leaves(70), older in any::<Index>(), changed in any::<Index>(),
        ) {
            let (whole, newer) = (tree(&leaves), leaves.len() as u64);
            let older = older.index(leaves.len()) as u64 + 1;
            let proof = whole.consistency(older, newer).unwrap();
            let (old, new) = (whole.root(older).unwrap(), whole.root(newer).unwrap());
            prop_assert!(extends(older, &old, newer, &new, &proof));
            let mut forged = leaves.clone();
            let at = changed.index(usize::try_from(older).unwrap());
            forged[at] = leaf(b"something else");
            let forged = tree(&forged);
            let (root, proof_of_it) = (forged.root(newer).unwrap(), forged.consistency(older, newer).unwrap());
            prop_assert!(!extends(older, &old, newer, &root, &proof_of_it), "a changed past");
            prop_assert!(!extends(older, &old, newer, &root, &proof));
            for part in 0..proof.len() {
                let mut less = proof.clone();
                less[part][0] ^= 1;
                prop_assert!(!extends(older, &old, newer, &new, &less));
                less.remove(part);
                prop_assert!(!extends(older, &old, newer, &new, &less));
            }
            prop_assert!(!extends(older, &old, newer, &new, &[proof, vec![new]].concat()));
        }
    }
}
