//! Where a host stands in a play: an iterator over blocks with rescue and always, into which includes are inserted.
//!
//! Pure: knows neither hosts nor tasks. Every leaf has a key; comparing keys gives the order in which `linear` visits
//! the leaves, also of those that an include added later.

use std::sync::Arc;

/// The place of a leaf in the order of a play: a path of indices, compared as text is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(Arc<[u32]>);

impl Key {
    pub(crate) fn root() -> Self {
        Self(Arc::new([]))
    }

    /// A key after this one and before its next sibling.
    pub(crate) fn child(&self, index: usize) -> Self {
        let index = u32::try_from(index).expect("a list of tasks has less than 2^32 entries");
        Self(self.0.iter().copied().chain([index]).collect())
    }
}

/// A node of a play as it is walked.
#[derive(Debug)]
pub(crate) enum Node<T> {
    Leaf(Arc<Leaf<T>>),
    Block(Arc<BlockNode<T>>),
}

/// A task and its place in the order.
#[derive(Debug)]
pub(crate) struct Leaf<T> {
    pub(crate) key: Key,
    pub(crate) task: T,
}

/// A block: its body, what runs when the body fails, and what runs in any case.
#[derive(Debug)]
pub(crate) struct BlockNode<T> {
    pub(crate) body: Vec<Node<T>>,
    pub(crate) rescue: Vec<Node<T>>,
    pub(crate) always: Vec<Node<T>>,
}

impl<T> BlockNode<T> {
    /// A block without rescue and always.
    pub(crate) fn plain(body: Vec<Node<T>>) -> Self {
        Self { body, rescue: Vec::new(), always: Vec::new() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Body,
    Rescue,
    Always,
}

#[derive(Debug)]
struct Frame<T> {
    block: Arc<BlockNode<T>>,
    section: Section,
    index: usize,
    /// A failure that nobody rescued; it goes on outwards after `always`.
    failed: bool,
}

impl<T> Frame<T> {
    fn items(&self) -> &[Node<T>] {
        match self.section {
            Section::Body => &self.block.body,
            Section::Rescue => &self.block.rescue,
            Section::Always => &self.block.always,
        }
    }

    fn enter(&mut self, section: Section) {
        self.section = section;
        self.index = 0;
    }

    /// The item at hand failed.
    fn fail(&mut self) {
        match self.section {
            Section::Body if !self.block.rescue.is_empty() => self.enter(Section::Rescue),
            Section::Body | Section::Rescue => {
                self.failed = true;
                self.enter(Section::Always);
            }
            Section::Always => {
                self.failed = true;
                self.index = self.block.always.len();
            }
        }
    }
}

/// One host's walk through a play.
#[derive(Debug)]
pub(crate) struct Cursor<T> {
    frames: Vec<Frame<T>>,
    failed: bool,
}

impl<T> Cursor<T> {
    pub(crate) fn new(block: Arc<BlockNode<T>>) -> Self {
        let mut cursor = Self { frames: Vec::new(), failed: false };
        cursor.insert(block);
        cursor
    }

    /// The leaf to run next, passing over those that are not wanted (handlers that nobody notified).
    pub(crate) fn peek(&mut self, wanted: impl Fn(&Leaf<T>) -> bool) -> Option<Arc<Leaf<T>>> {
        loop {
            let frame = self.frames.last_mut()?;
            match frame.items().get(frame.index) {
                Some(Node::Leaf(leaf)) if wanted(leaf) => return Some(leaf.clone()),
                Some(Node::Leaf(_)) => frame.index += 1,
                Some(Node::Block(block)) => {
                    let block = block.clone();
                    frame.index += 1;
                    self.insert(block);
                }
                None if frame.section == Section::Always => self.leave(),
                None => frame.enter(Section::Always),
            }
        }
    }

    /// The leaf at hand is done.
    pub(crate) fn advance(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.index += 1;
        }
    }

    /// The leaf at hand failed: on to the rescue or always of the innermost block that has one.
    pub(crate) fn fail(&mut self) {
        match self.frames.last_mut() {
            Some(frame) => frame.fail(),
            None => self.failed = true,
        }
    }

    /// Whether a failure of the leaf at hand would be rescued.
    pub(crate) fn would_rescue(&self) -> bool {
        self.frames
            .iter()
            .any(|frame| frame.section == Section::Body && !frame.block.rescue.is_empty())
    }

    /// Walks a block next, before what follows the leaf at hand (which must have been advanced over).
    pub(crate) fn insert(&mut self, block: Arc<BlockNode<T>>) {
        self.frames.push(Frame { block, section: Section::Body, index: 0, failed: false });
    }

    /// Ends the walk at once, without `always` (a host that does not answer, `meta: end_host`).
    pub(crate) fn stop(&mut self) {
        self.frames.clear();
    }

    /// Whether a failure is on its way outwards and nothing will rescue it.
    pub(crate) fn is_failing(&self) -> bool {
        let mut rescues = false;
        for frame in &self.frames {
            if frame.failed && !rescues {
                return true;
            }
            rescues |= frame.section == Section::Body && !frame.block.rescue.is_empty();
        }
        self.failed
    }

    /// Failures so far are forgotten; a walk that has ended stays ended.
    pub(crate) fn forgive(&mut self) {
        self.failed = false;
        self.frames.iter_mut().for_each(|frame| frame.failed = false);
    }

    fn leave(&mut self) {
        if self.frames.pop().is_some_and(|frame| frame.failed) {
            self.fail();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(name: &'static str) -> Node<&'static str> {
        Node::Leaf(Arc::new(Leaf { key: Key::root(), task: name }))
    }

    fn block(
        body: Vec<Node<&'static str>>,
        rescue: Vec<Node<&'static str>>,
        always: Vec<Node<&'static str>>,
    ) -> Node<&'static str> {
        Node::Block(Arc::new(BlockNode { body, rescue, always }))
    }

    /// Walks and fails at leaves whose name starts with `!`; returns the names visited and whether the walk failed.
    fn walk(body: Vec<Node<&'static str>>) -> (String, bool) {
        let mut cursor = Cursor::new(Arc::new(BlockNode::plain(body)));
        let mut seen = Vec::new();
        while let Some(leaf) = cursor.peek(|leaf| !leaf.task.starts_with('-')) {
            seen.push(leaf.task);
            if leaf.task.starts_with('!') { cursor.fail() } else { cursor.advance() }
        }
        (seen.join(" "), cursor.is_failing())
    }

    #[test]
    fn a_failure_ends_the_walk() {
        assert_eq!(walk(vec![leaf("a"), leaf("!b"), leaf("c")]), ("a !b".into(), true));
    }

    #[test]
    fn rescue_takes_over_and_the_walk_goes_on() {
        let body = vec![
            block(vec![leaf("!a"), leaf("b")], vec![leaf("r")], vec![leaf("z")]),
            leaf("after"),
        ];
        assert_eq!(walk(body), ("!a r z after".into(), false));
    }

    #[test]
    fn always_runs_and_the_failure_goes_on_outwards() {
        let inner = block(vec![leaf("!a")], vec![], vec![leaf("z")]);
        let body = vec![block(vec![inner, leaf("b")], vec![leaf("r")], vec![]), leaf("after")];
        assert_eq!(walk(body), ("!a z r after".into(), false));
    }

    #[test]
    fn a_failing_rescue_fails_after_always() {
        let body = vec![block(vec![leaf("!a")], vec![leaf("!r")], vec![leaf("z")]), leaf("after")];
        assert_eq!(walk(body), ("!a !r z".into(), true));
    }

    #[test]
    fn a_failing_always_leaves_the_rest_of_it_out() {
        let body = vec![block(vec![leaf("a")], vec![leaf("r")], vec![leaf("!z"), leaf("y")])];
        assert_eq!(walk(body), ("a !z".into(), true));
    }

    #[test]
    fn unwanted_leaves_are_passed_over() {
        assert_eq!(walk(vec![leaf("-h1"), leaf("h2"), leaf("-h3")]), ("h2".into(), false));
    }

    #[test]
    fn keys_of_inserted_leaves_lie_between_their_neighbours() {
        let third = Key::root().child(3);
        let inserted = third.child(0).child(7);
        assert!(third < inserted && inserted < Key::root().child(4));
    }
}
