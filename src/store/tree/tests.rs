//! Trees against a sorted map.
//!
//! A thousand random edits in random batches, and the same contents built at once: one root.
//!
//! Invariants: see [`super`].
//!
//! Does not: touch packs.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use hashbrown::HashMap;
use proptest::prelude::*;

use super::*;
use crate::host::Random;
use crate::host::sim::SimRandom;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Default)]
struct Memory {
    objects: Mutex<HashMap<ObjectId, Arc<[u8]>>>,
    reads: Mutex<usize>,
}

impl Memory {
    fn add(&self, nodes: impl IntoIterator<Item = NewObject>) {
        let mut objects = self.objects.lock().unwrap();
        objects.extend(nodes.into_iter().map(|node| (node.id, node.body)));
    }

    fn build(&self, model: &Model) -> ObjectId {
        let entries = model.iter().map(|(key, value)| Ok((key.clone(), value.clone())));
        build(entries, &mut |node| self.add([node])).unwrap()
    }

    fn edit(&self, root: ObjectId, edits: Edit) -> ObjectId {
        let edited = edit(self, root, edits).unwrap();
        self.add(edited.nodes);
        edited.root
    }

    fn reads_of<T>(&self, action: impl FnOnce() -> T) -> (T, usize) {
        let before = *self.reads.lock().unwrap();
        let result = action();
        (result, *self.reads.lock().unwrap() - before)
    }
}

impl ReadObjects for Memory {
    fn read(&self, kind: Kind, id: ObjectId) -> Result<Arc<[u8]>, StoreError> {
        *self.reads.lock().unwrap() += 1;
        let found = self.objects.lock().unwrap().get(&id).cloned();
        found.ok_or(StoreError::Missing { kind, id })
    }
}

fn key(number: u64) -> Vec<u8> {
    format!("key/{number:06}").into_bytes()
}

fn numbered(count: u64) -> Model {
    (0..count)
        .map(|number| (key(number), vec![7; usize::try_from(number % 50).unwrap()]))
        .collect()
}

fn apply(model: &mut Model, edits: &Edit) {
    for (key, value) in edits {
        match value {
            Some(value) => drop(model.insert(key.clone(), value.clone())),
            None => drop(model.remove(key)),
        }
    }
}

fn entries(memory: &Memory, root: ObjectId) -> Model {
    Tree::new(memory, root).iter().collect::<Result<_, _>>().unwrap()
}

/// Edits of few keys, so that they hit each other; some values are long.
fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let value = prop_oneof![
        3 => Just(None),
        6 => prop::collection::vec(any::<u8>(), 0..90).prop_map(Some),
        1 => (1000_usize..9000).prop_map(|len| Some(vec![1; len])),
    ];
    let batch = prop::collection::btree_map((0_u64..600).prop_map(key), value, 0..120);
    prop::collection::vec(batch, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_tree_is_its_contents_whatever_the_history(batches in edits()) {
        let memory = Memory::default();
        let mut model = Model::new();
        let mut root = memory.build(&model);
        prop_assert_eq!(root, empty().id);
        for batch in batches {
            let before = (root, model.clone());
            apply(&mut model, &batch);
            root = memory.edit(root, batch);
            prop_assert_eq!(root, Memory::default().build(&model));
            prop_assert_eq!(&entries(&memory, root), &model);
            for number in 0..601 {
                prop_assert_eq!(Tree::new(&memory, root).get(&key(number)).unwrap(), model.get(&key(number)).cloned());
            }
            prop_assert_eq!(Tree::new(&memory, root).len().unwrap(), model.len() as u64);
            let changes: Vec<Change> = diff(&memory, before.0, root).collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(changes, model_diff(&before.1, &model));
        }
        let everything = model.keys().map(|key| (key.clone(), None)).collect();
        prop_assert_eq!(memory.edit(root, everything), empty().id);
    }

    #[test]
    fn keys_that_begin_alike_are_told_apart(
        model in prop::collection::btree_map(prop::collection::vec(0_u8..3, 0..8), Just(vec![7; 9]), 0..400),
        wanted in prop::collection::vec(prop::collection::vec(0_u8..3, 0..9), 100),
    ) {
        let memory = Memory::default();
        let root = memory.build(&model);
        for key in wanted.iter().chain(model.keys()) {
            prop_assert_eq!(Tree::new(&memory, root).get(key).unwrap(), model.get(key).cloned());
        }
    }

    #[test]
    fn few_edits_make_the_same_tree_without_taking_nodes_apart(
        batches in prop::collection::vec(prop::collection::btree_map(
            prop_oneof![(0_u64..2000).prop_map(key), (0_u64..2000).prop_map(|n| format!("{}", n * n).into_bytes())],
            prop::option::weighted(0.9, prop::collection::vec(any::<u8>(), 40..44)),
            1..12,
        ), 60..120),
        count in 0_u64..300,
    ) {
        let memory = Memory::default();
        let mut model = numbered(count);
        let mut root = memory.build(&model);
        let mut spliced = 0;
        for batch in batches {
            apply(&mut model, &batch);
            let made = splice::splice(&memory, root, &batch, &mut |_, _| true).unwrap();
            spliced += u32::from(matches!(made, splice::Spliced::Done(_)));
            root = memory.edit(root, batch);
            prop_assert_eq!(root, Memory::default().build(&model));
        }
        prop_assert!(spliced > 40);
    }

    #[test]
    fn keys_that_come_in_several_places_at_once_make_the_same_tree(
        steps in prop::collection::vec((0_u64..8, 1_u64..12, 30_usize..60), 100),
    ) {
        let memory = Memory::default();
        let mut model = numbered(0);
        let mut root = memory.build(&model);
        let mut next = [0_u64; 8];
        for steps in steps.chunks(4) {
            let mut batch = Edit::new();
            for (place, count, bytes) in steps {
                let at = &mut next[usize::try_from(*place).unwrap()];
                batch.extend((*at..*at + count).map(|number| (key(place * 10_000 + number), Some(vec![1; *bytes]))));
                *at += count;
            }
            apply(&mut model, &batch);
            root = memory.edit(root, batch);
            prop_assert_eq!(root, Memory::default().build(&model));
        }
    }

    #[test]
    fn a_value_that_must_stay_refuses_the_edit(
        count in 1_u64..400, kept in 0_u64..400, batch in prop::collection::btree_map(
            (0_u64..400).prop_map(key), prop::option::weighted(0.9, prop::collection::vec(any::<u8>(), 0..60)), 1..40,
        ),
    ) {
        let memory = Memory::default();
        let model = numbered(count);
        let root = memory.build(&model);
        let kept = key(kept);
        let made = edit_if(&memory, root, batch.clone(), &mut |key, old| {
            assert_eq!(model.get(key).map(Vec::as_slice), Some(old));
            key != kept
        });
        let is_replaced = batch.get(&kept).is_some_and(Option::is_some) && model.contains_key(&kept);
        prop_assert_eq!(made.unwrap().is_none(), is_replaced);
    }

    #[test]
    fn scans_are_ranges(count in 0_u64..500, low in 0_u64..520, high in 0_u64..520, kinds in 0..9, back: bool) {
        let memory = Memory::default();
        let model = numbered(count);
        let root = memory.build(&model);
        let bound = |kind, key| match kind {
            0 => Bound::Unbounded,
            1 => Bound::Included(key),
            _ => Bound::Excluded(key),
        };
        let (low, high) = (key(low.min(high)), key(low.max(high)));
        let (low, high) = (bound(kinds % 3, low.as_slice()), bound(kinds / 3, high.as_slice()));
        let inside = |key: &[u8]| (match low {
            Bound::Unbounded => true,
            Bound::Included(low) => key >= low,
            Bound::Excluded(low) => key > low,
        }) && (match high {
            Bound::Unbounded => true,
            Bound::Included(high) => key <= high,
            Bound::Excluded(high) => key < high,
        });
        let mut wanted: Vec<Entry> = model.into_iter().filter(|(key, _)| inside(key)).collect();
        let direction = if back { Direction::Backward } else { Direction::Forward };
        if back {
            wanted.reverse();
        }
        let found: Vec<Entry> = Tree::new(&memory, root).scan(low, high, direction).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn merges_take_what_only_one_side_changed(ours in edits(), theirs in edits()) {
        let memory = Memory::default();
        let base = numbered(600);
        let root = memory.build(&base);
        let side = |batches: Vec<Edit>| {
            let mut model = base.clone();
            batches.iter().for_each(|batch| apply(&mut model, batch));
            (memory.build(&model), model)
        };
        let ((our_root, ours), (their_root, theirs)) = (side(ours), side(theirs));
        let merged = merge(&memory, root, our_root, their_root).unwrap();
        let mut wanted = Merged::default();
        for change in model_diff(&base, &theirs) {
            let own = ours.get(&change.key).cloned();
            if own == change.old {
                wanted.edits.insert(change.key, change.new);
            } else if own != change.new {
                let Change { key, old, new } = change;
                wanted.conflicts.push(Conflict { key, base: old, ours: own, theirs: new });
            }
        }
        prop_assert_eq!(merged, wanted);
    }

    #[test]
    fn nodes_have_one_encoding(bytes in prop::collection::vec(0_u8..6, 0..40)) {
        if let Ok(node) = Node::decode(&bytes) {
            prop_assert_eq!(node.encode(), bytes);
        }
    }
}

fn model_diff(old: &Model, new: &Model) -> Vec<Change> {
    let keys: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let change = |key: &Vec<u8>| Change {
        key: key.clone(),
        old: old.get(key).cloned(),
        new: new.get(key).cloned(),
    };
    keys.into_iter()
        .map(change)
        .filter(|change| change.old != change.new)
        .collect()
}

#[test]
fn an_edit_touches_one_path_and_a_difference_reads_it() {
    let memory = Memory::default();
    let root = memory.build(&numbered(20_000));
    let tree = Tree::new(&memory, root);
    let height = usize::try_from(tree.height().unwrap()).unwrap();
    assert!((3..=5).contains(&height), "{height}");
    let change = Edit::from([(key(777), Some(b"new".to_vec()))]);
    let (edited, reads) = memory.reads_of(|| edit(&memory, root, change).unwrap());
    assert!(edited.nodes.len() <= height + 2, "{}", edited.nodes.len());
    assert!(reads <= 3 * height, "{reads}");
    memory.add(edited.nodes);
    let (changes, reads) = memory.reads_of(|| diff(&memory, root, edited.root).count());
    assert_eq!(changes, 1);
    assert!(reads <= 3 * height, "{reads}");
    assert_eq!(
        Tree::new(&memory, edited.root).get(&key(777)).unwrap(),
        Some(b"new".to_vec())
    );
    let (same, reads) = memory.reads_of(|| memory.edit(edited.root, Edit::from([(key(777), Some(b"new".to_vec()))])));
    assert!(same == edited.root && reads <= 3 * height);
}

#[test]
fn nodes_are_about_the_target_and_bounded_for_keys_of_any_kind() {
    for seed in 0..3 {
        let random = SimRandom::new(seed);
        let model: Model = match seed {
            0 => numbered(20_000),
            1 => (0..5_000)
                .map(|_| (random.next_u64().to_be_bytes().to_vec(), vec![3; 100]))
                .collect(),
            _ => (0..300_u64)
                .map(|number| ([number.to_be_bytes().to_vec(), vec![9; 4000]].concat(), vec![]))
                .collect(),
        };
        let memory = Memory::default();
        let root = memory.build(&model);
        let objects = memory.objects.lock().unwrap();
        let largest = objects.values().map(|body| body.len()).max().unwrap();
        assert!(largest <= MAX_NODE_BYTES + MAX_KEY_BYTES + 100, "{largest}");
        let average = objects.values().map(|body| body.len()).sum::<usize>() / objects.len();
        assert!(seed == 2 || (1000..3500).contains(&average), "{seed}: {average}");
        drop(objects);
        assert!(Tree::new(&memory, root).height().unwrap() < 12);
    }
}

#[test]
fn keys_chosen_to_defeat_the_coin_do_not() {
    // Keys after which the coin never, or always, ends a node.
    for always in [false, true] {
        let ends = |number: &u64| {
            let mut chunker = chunk::Chunker::new(0);
            assert!(chunker.push(&[], &[0; 450]).is_none());
            chunker.push(&key(*number), &[0; 60]).is_some() == always
        };
        let model: Model = (0..60_000)
            .filter(ends)
            .take(1500)
            .map(|number| (key(number), vec![0; 60]))
            .collect();
        let memory = Memory::default();
        let mut root = memory.build(&Model::new());
        for (key, value) in &model {
            root = memory.edit(root, Edit::from([(key.clone(), Some(value.clone()))]));
        }
        assert_eq!(root, Memory::default().build(&model));
        let largest = memory
            .objects
            .lock()
            .unwrap()
            .values()
            .map(|body| body.len())
            .max()
            .unwrap();
        assert!(largest <= MAX_NODE_BYTES + 200, "{largest}");
        assert!(Tree::new(&memory, root).height().unwrap() < 12);
    }
}

#[test]
fn presence_and_absence_are_proved_to_who_knows_the_root() {
    let memory = Memory::default();
    let mut model = numbered(5_000);
    model.remove(&key(1234));
    let root = memory.build(&model);
    let tree = Tree::new(&memory, root);
    for (number, present) in [(0, true), (1234, false), (4999, true), (9999, false)] {
        let (value, nodes) = tree.prove(&key(number)).unwrap();
        assert_eq!(value.is_some(), present);
        assert!(nodes.len() <= 6);
        let known = ProofNodes::new(nodes.clone());
        assert_eq!(Tree::new(&known, root).get(&key(number)).unwrap(), value);
        for left_out in 0..nodes.len() {
            let mut fewer = nodes.clone();
            let mut forged = fewer.remove(left_out).to_vec();
            assert!(
                Tree::new(&ProofNodes::new(fewer.clone()), root)
                    .get(&key(number))
                    .is_err()
            );
            *forged.last_mut().unwrap() ^= 1;
            fewer.push(forged.into());
            assert!(Tree::new(&ProofNodes::new(fewer), root).get(&key(number)).is_err());
        }
        assert!(Tree::new(&known, empty().id).get(&key(number)).is_err());
    }
    let recorder = Recorder::new(&memory);
    let wanted = Tree::new(&recorder, root).prefix(b"key/0012").count();
    let known = ProofNodes::new(recorder.into_nodes());
    assert_eq!(
        Tree::new(&known, root)
            .prefix(b"key/0012")
            .filter_map(Result::ok)
            .count(),
        wanted
    );
    assert_eq!(wanted, 99);
}

#[test]
fn what_is_too_long_is_refused() {
    let memory = Memory::default();
    let root = memory.build(&Model::new());
    let long_key = Edit::from([(vec![0; MAX_KEY_BYTES + 1], Some(vec![]))]);
    assert!(matches!(
        edit(&memory, root, long_key),
        Err(StoreError::TooLarge { .. })
    ));
    let long_value = Edit::from([(vec![], Some(vec![0; MAX_VALUE_BYTES + 1]))]);
    assert!(matches!(
        edit(&memory, root, long_value),
        Err(StoreError::TooLarge { .. })
    ));
    let unsorted = [Ok((vec![2], vec![])), Ok((vec![1], vec![]))];
    assert!(build(unsorted, &mut |_| ()).is_err());
}
