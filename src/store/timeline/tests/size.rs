//! What commits cost on the medium.
//!
//! Two thousand commits of one entry each into a tree of 20,000.
//!
//! Invariants: history is about half a kilobyte per commit, and opening reads a bounded part of it.
//!
//! Does not: measure time.

use super::*;

fn key(number: u64) -> Vec<u8> {
    format!("table/0001/{number:012}").into_bytes()
}

#[test]
fn history_costs_little_per_commit() {
    const COMMITS: u64 = 2_000;
    let disk = SimDisk::new();
    let timeline = Timeline::create(machine(&disk, 1), folder(), Options::default()).unwrap();
    let mut objects = Vec::new();
    // Values are like hashes: nothing compresses them.
    let value = |number: u64| ObjectId::of(Kind::BLOB, &number.to_le_bytes()).0.to_vec();
    let entries = (0..20_000).map(|number| Ok((key(number * 10), value(number))));
    let root = tree::build(entries, &mut |node| objects.push(node)).unwrap();
    let draft_of = |objects, parent, root| Draft {
        objects,
        author: "ada".into(),
        message: "insert".into(),
        ..Draft::new("main", parent, root)
    };
    let mut tip = timeline.commit(draft_of(objects, None, root)).unwrap();
    let before = timeline.view().packs[0].end();
    let mut root = root;
    for number in 0..COMMITS {
        // Half at the end, half anywhere.
        let at = if number % 2 == 0 {
            200_000 + number
        } else {
            number * 7919 % 200_000 + 1
        };
        let edited = tree::edit(&timeline, root, Edit::from([(key(at), Some(value(number)))])).unwrap();
        root = edited.root;
        tip = timeline.commit(draft_of(edited.nodes, Some(tip), root)).unwrap();
    }
    // The log's file and the index.
    let log_bytes = 33;
    let index_bytes = 14 * 5;
    let per_commit = (timeline.view().packs[0].end() - before) / COMMITS + log_bytes + index_bytes;
    assert!(per_commit < 1_024, "{per_commit} bytes per commit");
    timeline.close().unwrap();
    drop(timeline);
    let timeline = Timeline::open(machine(&disk, 2), folder(), Mode::Write, Options::default()).unwrap();
    let found = Tree::new(&timeline, timeline.commit_record(tip).unwrap().root)
        .len()
        .unwrap();
    assert!(found > 20_000 + COMMITS / 2, "{found}");
}

#[test]
fn a_row_into_a_table_of_many_segments_writes_little() {
    let disk = SimDisk::new();
    let timeline = Timeline::create(machine(&disk, 1), folder(), Options::default()).unwrap();
    let entry = |number: u64| ObjectId::of(Kind::BLOB, &number.to_le_bytes()).0.repeat(6);
    let mut objects = Vec::new();
    let entries = (0..1000).map(|number| Ok((key(number), entry(number))));
    let root = tree::build(entries, &mut |node| objects.push(node)).unwrap();
    let whole = Draft {
        objects,
        ..Draft::new("main", None, root)
    };
    let parent = timeline.commit(whole).unwrap();
    // Even when nothing is there to take differences from, as after opening a sealed pack.
    let edited = tree::edit(&timeline, root, Edit::from([(key(1000), Some(entry(1000)))])).unwrap();
    let plain = |node: NewObject| node.packed(Packing::Plain);
    let row = Draft {
        objects: edited.nodes.into_iter().map(plain).collect(),
        ..Draft::new("main", Some(parent), edited.root)
    };
    let before = timeline.view().packs[0].end();
    timeline.commit(row).unwrap();
    let written = timeline.view().packs[0].end() - before;
    assert!(written < 20_000, "{written}");
}
