//! Topic routing: binding patterns as a tree of words, walked with a set of positions.
//!
//! A pattern is words split by dots, or by another character; `*` stands for one word, `#` for any
//! number of words, also none. The tree has a node for each beginning of a pattern. Routing keeps
//! the set of nodes that the words so far can have led to, each at most once, so that its cost is
//! words x positions however many `#` the patterns have, and does not hang on the number of bindings
//! that the key cannot match.

use rustc_hash::FxHashMap;

use super::{Target, Targets};

const ROOT: u32 = 0;

#[derive(Debug)]
pub(crate) struct TopicRouter<T = Target> {
    /// What stands between words.
    separator: char,
    nodes: Vec<Node<T>>,
    free: Vec<u32>,
    /// Positions before and after the word at hand; kept for their memory.
    positions: Vec<u32>,
    next: Vec<u32>,
    /// The step at which a node was last entered, so that it is entered once.
    step: u64,
}

#[derive(Debug)]
struct Node<T> {
    words: FxHashMap<Box<str>, u32>,
    star: Option<u32>,
    hash: Option<u32>,
    /// The node is the end of a `#`, which takes further words without moving on.
    is_hash: bool,
    targets: Targets<T>,
    entered: u64,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self {
            words: FxHashMap::default(),
            star: None,
            hash: None,
            is_hash: false,
            targets: Targets::default(),
            entered: 0,
        }
    }
}

impl<T: Ord + Copy> Node<T> {
    fn is_unused(&self) -> bool {
        self.targets.is_empty()
            && self.words.is_empty()
            && self.star.is_none()
            && self.hash.is_none()
    }
}

impl<T> Default for TopicRouter<T> {
    fn default() -> Self {
        Self::apart_by('.')
    }
}

impl<T> TopicRouter<T> {
    /// A router of patterns and keys whose words are apart by this character.
    pub(crate) fn apart_by(separator: char) -> Self {
        Self {
            separator,
            nodes: vec![Node::default()],
            free: Vec::new(),
            positions: Vec::new(),
            next: Vec::new(),
            step: 0,
        }
    }
}

/// The words of a key or a pattern; the empty one has none.
fn words(text: &str, separator: char) -> impl Iterator<Item = &str> {
    text.split(separator).take(if text.is_empty() { 0 } else { usize::MAX })
}

/// The words of a pattern. `#.#` matches what `#` matches and is taken as that.
fn pattern_words(pattern: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut after_hash = false;
    words(pattern, separator).filter(move |word| {
        let repeated = after_hash && *word == "#";
        after_hash = *word == "#";
        !repeated
    })
}

impl<T: Ord + Copy> TopicRouter<T> {
    pub(crate) fn insert(&mut self, pattern: &str, target: T) {
        let mut at = ROOT;
        for word in pattern_words(pattern, self.separator) {
            at = self.child(at, word).unwrap_or_else(|| self.add_child(at, word));
        }
        self.nodes[at as usize].targets.insert(target);
    }

    pub(crate) fn remove(&mut self, pattern: &str, target: T) {
        let mut path = vec![];
        let mut at = ROOT;
        for word in pattern_words(pattern, self.separator) {
            let Some(child) = self.child(at, word) else { return };
            path.push((at, word));
            at = child;
        }
        self.nodes[at as usize].targets.remove(target);
        // Nodes that lead nowhere any more go, from the end of the pattern upwards.
        for (parent, word) in path.into_iter().rev() {
            if !self.nodes[at as usize].is_unused() {
                break;
            }
            let node = &mut self.nodes[parent as usize];
            match word {
                "*" => node.star = None,
                "#" => node.hash = None,
                _ => {
                    node.words.remove(word);
                }
            }
            self.nodes[at as usize] = Node::default();
            self.free.push(at);
            at = parent;
        }
    }

    fn child(&self, at: u32, word: &str) -> Option<u32> {
        let node = &self.nodes[at as usize];
        match word {
            "*" => node.star,
            "#" => node.hash,
            _ => node.words.get(word).copied(),
        }
    }

    fn add_child(&mut self, at: u32, word: &str) -> u32 {
        let child = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(Node::default());
            self.nodes.len() as u32 - 1
        });
        self.nodes[child as usize].is_hash = word == "#";
        let node = &mut self.nodes[at as usize];
        match word {
            "*" => node.star = Some(child),
            "#" => node.hash = Some(child),
            _ => {
                node.words.insert(word.into(), child);
            }
        }
        child
    }

    pub(crate) fn route(&mut self, key: &str, found: &mut Vec<T>) {
        let mut positions = std::mem::take(&mut self.positions);
        let mut next = std::mem::take(&mut self.next);
        positions.clear();
        self.step += 1;
        self.enter(ROOT, &mut positions);
        for word in words(key, self.separator) {
            next.clear();
            self.step += 1;
            for &at in &positions {
                let node = &self.nodes[at as usize];
                let stays = node.is_hash.then_some(at);
                let named = node.words.get(word).copied();
                let star = node.star;
                for follower in [stays, named, star].into_iter().flatten() {
                    self.enter(follower, &mut next);
                }
            }
            std::mem::swap(&mut positions, &mut next);
            if positions.is_empty() {
                break;
            }
        }
        for &at in &positions {
            found.extend(self.nodes[at as usize].targets.iter());
        }
        self.positions = positions;
        self.next = next;
    }

    /// Adds a node to the positions, and what is behind a `#` that stands for no word.
    fn enter(&mut self, at: u32, positions: &mut Vec<u32>) {
        let mut at = Some(at);
        while let Some(index) = at {
            let node = &mut self.nodes[index as usize];
            if node.entered == self.step {
                return;
            }
            node.entered = self.step;
            positions.push(index);
            at = node.hash;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QueueId;
    use proptest::prelude::*;

    /// The definition of a match, as plain as it can be written.
    fn matches(pattern: &[&str], words: &[&str]) -> bool {
        match (pattern.split_first(), words.split_first()) {
            (None, None) => true,
            (None, Some(_)) => false,
            (Some((&"#", rest)), None) => matches(rest, words),
            (Some((&"#", rest)), Some((_, tail))) => matches(rest, words) || matches(pattern, tail),
            (Some(_), None) => false,
            (Some((&word, rest)), Some((&first, tail))) => {
                (word == "*" || word == first) && matches(rest, tail)
            }
        }
    }

    fn routed(router: &mut TopicRouter, key: &str) -> Vec<Target> {
        let mut found = vec![];
        router.route(key, &mut found);
        found.sort();
        found.dedup();
        found
    }

    fn queue(n: u64) -> Target {
        Target::Queue(QueueId(n))
    }

    #[test]
    fn hash_stands_for_no_word_too() {
        let mut router = TopicRouter::default();
        router.insert("a.#", queue(1));
        router.insert("#.b", queue(2));
        router.insert("#", queue(3));
        assert_eq!(routed(&mut router, "a"), [queue(1), queue(3)]);
        assert_eq!(routed(&mut router, "b"), [queue(2), queue(3)]);
        assert_eq!(routed(&mut router, ""), [queue(3)]);
        router.insert("*", queue(4));
        router.insert("", queue(5));
        assert_eq!(routed(&mut router, ""), [queue(3), queue(5)], "the empty key has no word");
        assert_eq!(routed(&mut router, "a.x.b"), [queue(1), queue(2), queue(3)]);
    }

    #[test]
    fn a_removed_pattern_leaves_no_node_behind() {
        let mut router = TopicRouter::default();
        for pattern in ["a.b.c", "a.*.#", "#.x"] {
            router.insert(pattern, queue(1));
            router.remove(pattern, queue(1));
        }
        assert_eq!(router.nodes.len() - router.free.len(), 1);
        assert!(routed(&mut router, "a.b.c").is_empty());
    }

    #[test]
    fn many_hashes_do_not_multiply_the_work() {
        let mut router = TopicRouter::default();
        let pattern = vec!["#.a"; 60].join(".");
        router.insert(&pattern, queue(1));
        // A matcher that tries every split would not come back from this one.
        assert!(routed(&mut router, &["a"; 59].join(".")).is_empty());
        assert_eq!(routed(&mut router, &["a"; 100].join(".")), [queue(1)]);
    }

    proptest! {
        #[test]
        fn routes_are_those_of_the_plain_definition(
            patterns in proptest::collection::vec("([ab*#](\\.[ab*#]){0,4})|", 1..12),
            removed in proptest::collection::vec(any::<bool>(), 12),
            keys in proptest::collection::vec("([abc](\\.[abc]){0,5})|", 1..12),
        ) {
            let mut router = TopicRouter::default();
            for (n, pattern) in patterns.iter().enumerate() {
                router.insert(pattern, queue(n as u64));
            }
            for (n, pattern) in patterns.iter().enumerate().filter(|(n, _)| removed[*n]) {
                router.remove(pattern, queue(n as u64));
            }
            for key in &keys {
                let key_words: Vec<_> = words(key, '.').collect();
                let expected: Vec<_> = patterns.iter().enumerate()
                    .filter(|(n, pattern)| {
                        !removed[*n]
                            && matches(&words(pattern, '.').collect::<Vec<_>>(), &key_words)
                    })
                    .map(|(n, _)| queue(n as u64))
                    .collect();
                prop_assert_eq!(routed(&mut router, key), expected, "key {}", key);
            }
        }
    }
}
