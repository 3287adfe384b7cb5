//! Plain notes for benchmarks: honest, of one size, each different.

/// Bytes of a memory, about.
pub(crate) const BYTES: usize = 2_048;

/// About two kibibytes of plain notes, different for each number.
pub(crate) fn note(number: usize) -> String {
    let what = [
        "office", "printer", "archive", "garden", "kitchen", "library", "workshop", "bakery", "station", "harbour",
        "museum", "theatre", "school", "market", "bridge", "tower", "cellar", "studio", "clinic", "depot", "orchard",
        "ferry", "cinema", "hostel", "gallery", "stadium", "chapel", "foundry", "nursery", "quarry", "mill", "brewery",
    ];
    let how = [
        "quiet", "red", "large", "narrow", "wooden", "modern", "bright", "cold", "round", "famous", "hidden", "busy",
        "empty", "tall", "plain", "warm", "northern", "coastal", "tidy", "ancient", "small", "rural", "green", "steep",
    ];
    let does = [
        "faces",
        "borders",
        "serves",
        "adjoins",
        "resembles",
        "supplies",
        "overlooks",
        "follows",
        "joins",
        "adorns",
        "shelters",
        "funds",
        "mirrors",
        "predates",
        "borrows from",
        "belongs to",
        "looks like",
        "sits behind",
    ];
    let mut text = format!("# Notes {number}\n\n");
    let mut at = number as u64 + 1;
    let mut pick = |list: &[&'static str]| {
        at ^= at << 13;
        at ^= at >> 7;
        at ^= at << 17;
        list[(at % list.len() as u64) as usize]
    };
    while text.len() < BYTES {
        let (a, b, c, d, e) = (pick(&how), pick(&what), pick(&does), pick(&how), pick(&what));
        text.push_str(&format!("- Our {a} {b} {c} that {d} {e} near {} {}.\n", pick(&how), pick(&what)));
    }
    text
}
