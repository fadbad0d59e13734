use askama::Template;

use super::{super::samples::view, *};

/// As the page of an entry includes it.
#[derive(Template)]
#[template(path = "signed/path.svg")]
struct Svg {
    picture: Picture,
    steps: Vec<Step>,
    size: u64,
    index: u64,
}

fn svg(index: u64, size: u64) -> String {
    let view = view(index, size);
    Svg { picture: draw(&view), steps: steps(&view), size, index }.render().unwrap()
}

#[test]
fn a_picture_has_a_box_for_every_hash_at_every_length_of_path() {
    // A path of 40 hashes is that of a log of a million million entries.
    for (index, size, length) in
        [(0, 1, 0), (1, 2, 1), (2, 3, 1), (5, 8, 3), (4, 5, 1), (1 << 39, 1 << 40, 40), (0, (1 << 40) - 1, 40)]
    {
        let view = view(index, size);
        assert_eq!(view.path.len(), length);
        let picture = draw(&view);
        assert_eq!(picture.nodes.len(), 2 * length + 1);
        assert_eq!(picture.lines.len(), 2 * length);
        assert_eq!(picture.nodes.iter().filter(|node| node.kind == NodeKind::Leaf).count(), 1);
        assert_eq!(steps(&view).len(), length);
    }
}

#[test]
fn boxes_lie_inside_the_picture_beside_each_other_and_hold_their_texts() {
    for (index, size) in [(0, 1), (5, 8), (123_456_789, 1 << 40), (0, u64::from(u32::MAX))] {
        let picture = draw(&view(index, size));
        for (at, node) in picture.nodes.iter().enumerate() {
            assert!(node.left + node.width <= picture.width && node.top + node.height <= picture.height);
            for other in &picture.nodes[at + 1..] {
                let apart = |a: u32, b: u32, length: u32| a.abs_diff(b) >= length;
                assert!(apart(node.left, other.left, BOX_WIDTH) || apart(node.top, other.top, BOX_HEIGHT));
            }
            for text in &node.texts {
                assert!((node.top..node.top + node.height).contains(&text.baseline));
                assert!(text.words.chars().count() * 7 < BOX_WIDTH as usize, "{}", text.words);
            }
        }
    }
}

#[test]
fn a_step_says_which_leaves_its_hashes_stand_for() {
    let steps = steps(&view(4, 7));
    let words: Vec<_> = steps.iter().map(|step| (step.side, step.range.as_str(), step.parent_range.as_str())).collect();
    assert_eq!(
        words,
        [
            ("right", "leaf 5", "leaves 4 to 5"),
            ("right", "leaf 6", "leaves 4 to 6"),
            ("left", "leaves 0 to 3", "leaves 0 to 6"),
        ]
    );
}

#[test]
fn the_picture_can_be_read_aloud_and_needs_no_style_that_a_policy_would_have_to_allow() {
    for svg in [svg(0, 1), svg(1 << 39, 1 << 40)] {
        assert!(!svg.contains("style="), "{svg}");
        assert!(!svg.contains("<script") && !svg.contains("href"));
        for part in [
            "role=\"img\"",
            "aria-labelledby=\"path-title path-desc\"",
            "<title id=\"path-title\">",
            "<desc id=\"path-desc\">",
        ] {
            assert!(svg.contains(part), "{part}");
        }
        assert_eq!(svg.matches("<g>").count(), svg.matches("</g>").count());
    }
}
