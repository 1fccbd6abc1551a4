//! Random bits of a folder: a flipped one is found or changes nothing.

use super::*;
use crate::harness::check_contents;
use crate::model::Random;

/// Single flips in one run of the random test: some seconds.
const FLIPS: u64 = 300;

/// Another number of flips, for a long run, and another seed.
const FLIPS_VARIABLE: &str = "WARREN_FLIPS";
const SEED_VARIABLE: &str = "WARREN_SEED";

/// A bit of a random file: in half of the cases among the first bytes, where headers stand.
fn random_flip(store: &Store, random: &mut Random) -> (PathBuf, usize, u8) {
    let files: Vec<(PathBuf, Vec<u8>)> =
        content_of(store.path()).into_iter().filter(|(_, content)| !content.is_empty()).collect();
    let (path, content) = &files[random.below(files.len() as u64) as usize];
    let reach = match random.below(4) {
        0 => 512.min(content.len()),
        1 => 20_000.min(content.len()),
        _ => content.len(),
    };
    // Zeros are mostly room that nobody reads.
    let looked = (0..64).map(|_| random.below(reach as u64) as usize);
    let places: Vec<usize> = looked.collect();
    let at = places.iter().copied().find(|at| content[*at] != 0).unwrap_or(places[0]);
    (path.clone(), at, random.below(8) as u8)
}

/// Makes the folder hold these files and no others.
fn restore(store: &Store, whole: &BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(store.path()).expect("a folder") {
        let path = entry.expect("an entry").path();
        let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        removed.expect("no fault");
    }
    fs::create_dir(store.file("log")).expect("no fault");
    whole.iter().for_each(|(path, content)| fs::write(path, content).expect("no fault"));
}

#[test]
fn any_flipped_bit_is_found_or_changes_nothing() {
    let store = Store::new();
    let whole = content_of(store.path());
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let flips = number(FLIPS_VARIABLE).unwrap_or(FLIPS);
    let mut random = Random(number(SEED_VARIABLE).unwrap_or(0xf11b));
    let (mut found, mut repaired) = (0, 0);
    for round in 0..flips {
        let (path, at, bit) = random_flip(&store, &mut random);
        flip(&path, at, bit);
        let place = format!("round {round}: bit {bit} of byte {at} in {}", path.display());
        let report = check(store.path(), &options(), &mut |_| {});
        let report = report.unwrap_or_else(|error| panic!("{place}: {error}"));
        if report.findings.is_empty() {
            let opened = open(store.path(), options()).expect(&place);
            store.model.compare(&opened.recovered).expect(&place);
            check_contents(&opened.reader, &store.model).expect(&place);
        } else {
            found += 1;
            // Nothing wrong is delivered, whether or not it was repaired.
            if let Ok(opened) = open(store.path(), options()) {
                store.places(&opened);
                // To close a database whose own bookkeeping is damaged can end the process.
                std::mem::forget(opened);
            }
            if found % 4 == 0 {
                restore(&store, &whole);
                flip(&path, at, bit);
                repair(store.path(), &options(), &mut |_| {}).expect(&place);
                let after = check(store.path(), &options(), &mut |_| {}).expect(&place);
                assert!(after.is_clean(), "{place}: {after:#?}");
                store.delivers();
                repaired += 1;
            }
        }
        restore(&store, &whole);
    }
    assert!(found > flips / 5 && repaired > 5, "{found} found, {repaired} repaired");
}
