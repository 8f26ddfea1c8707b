//! A table whose cells may be coloured. Names are never cut: they are copied and typed. Pure.

/// What stands between two columns.
const GAP: usize = 2;

/// One cell.
pub struct Cell {
    text: String,
    painted: String,
}

impl Cell {
    /// A text, and how it looks where colours are understood.
    pub fn new(text: impl Into<String>, paint: impl Fn(&str) -> String) -> Self {
        let text = text.into();
        let painted = paint(&text);
        Cell { text, painted }
    }

    /// A text as it is.
    pub fn plain(text: impl Into<String>) -> Self {
        Cell::new(text, str::to_string)
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

/// The rows, the heading first, each line indented by a blank. Where they do not fit the width, `spare` columns go, in
/// that order; what is too wide even then is left to the terminal.
pub fn render(rows: &[Vec<Cell>], width: Option<usize>, spare: &[usize]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|at| {
            let cells = rows.iter().filter_map(|row| row.get(at));
            cells.map(Cell::width).max().unwrap_or(0)
        })
        .collect();
    let mut shown: Vec<usize> = (0..columns).collect();
    for column in spare {
        let needed: usize = shown.iter().map(|&at| widths[at] + GAP).sum();
        // The indentation is one, and behind the last column stands no gap.
        if width.is_none_or(|width| needed < width + GAP) {
            break;
        }
        shown.retain(|at| at != column);
    }
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let mut line = String::from(" ");
            let mut owed = 0;
            for &at in &shown {
                if let Some(cell) = row.get(at).filter(|cell| !cell.text.is_empty()) {
                    line.push_str(&" ".repeat(owed));
                    line.push_str(&cell.painted);
                    owed = widths[at] - cell.width() + GAP;
                } else {
                    owed += widths[at] + GAP;
                }
            }
            line
        })
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<Cell>> {
        let red = |text: &str| format!("\x1b[31m{text}\x1b[0m");
        vec![
            ["name", "state", "by"]
                .map(|title| Cell::new(title, red))
                .into(),
            vec![
                Cell::plain("core/001_größe"),
                Cell::new("new", red),
                Cell::plain("me"),
            ],
            vec![
                Cell::plain("core/2"),
                Cell::plain("executed"),
                Cell::plain(""),
            ],
        ]
    }

    fn bare(text: &str) -> String {
        text.replace("\x1b[31m", "").replace("\x1b[0m", "")
    }

    #[test]
    fn colours_take_no_room() {
        assert_eq!(
            bare(&render(&rows(), Some(80), &[2])),
            " name            state     by\n core/001_größe  new       me\n core/2          executed"
        );
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_never_cut() {
        let narrow = " name            state\n core/001_größe  new\n core/2          executed";
        for width in [1, 28] {
            assert_eq!(bare(&render(&rows(), Some(width), &[2])), narrow);
        }
        assert!(render(&rows(), Some(29), &[2]).contains("me"));
        assert!(render(&rows(), None, &[2]).contains("me"));
    }
}
