//! What needs itself by way of others.
//!
//! Of `a → b`, `b → c`, `c → b` these are `{a}` and `{b, c}`.
//!
//! Invariants: what something needs stands before it, or in its circle.
//!
//! Does not: know what needs what; whoever asks does.

/// Everything once, in circles whose members need each other, each in order; by Tarjan's algorithm ("Depth-first search and linear
/// graph algorithms", 1972), without recursion. `needs` are the numbers of what each needs.
pub fn circles(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut walk = Walk {
        seen: vec![None; needs.len()],
        ..Walk::default()
    };
    for start in 0..needs.len() {
        if walk.seen.get(start) == Some(&None) {
            walk.from(start, needs);
        }
    }
    walk.found
}

#[derive(Default)]
struct Walk {
    /// When something was seen first, and the earliest that it leads back to; of what is in a circle already, nothing matters any more.
    seen: Vec<Option<Seen>>,
    count: usize,
    /// What was seen and is in no circle yet.
    waiting: Vec<usize>,
    found: Vec<Vec<usize>>,
}

#[derive(Clone, Copy, PartialEq)]
struct Seen {
    at: usize,
    earliest: usize,
    waits: bool,
}

impl Walk {
    fn from(&mut self, start: usize, needs: &[Vec<usize>]) {
        self.see(start);
        let mut path = vec![(start, 0)];
        while let Some((at, next)) = path.last_mut() {
            let at = *at;
            let needed = needs.get(at).and_then(|needs| needs.get(*next)).copied();
            *next += 1;
            match needed {
                Some(needed) => match self.seen.get(needed).copied() {
                    Some(None) => {
                        self.see(needed);
                        path.push((needed, 0));
                    }
                    Some(Some(known)) if known.waits => self.leads_to(at, known.at),
                    _ => {}
                },
                None => {
                    path.pop();
                    let earliest = self.close(at);
                    if let Some((before, _)) = path.last() {
                        self.leads_to(*before, earliest);
                    }
                }
            }
        }
    }

    fn see(&mut self, number: usize) {
        let (at, earliest) = (self.count, self.count);
        self.count += 1;
        self.waiting.push(number);
        if let Some(seen) = self.seen.get_mut(number) {
            let waits = true;
            *seen = Some(Seen { at, earliest, waits });
        }
    }

    fn leads_to(&mut self, from: usize, earliest: usize) {
        if let Some(Some(seen)) = self.seen.get_mut(from) {
            seen.earliest = seen.earliest.min(earliest);
        }
    }

    /// All that something needs was seen: it and what waits since may be a circle. Gives the earliest that it leads back to.
    fn close(&mut self, number: usize) -> usize {
        let Some(seen) = self.seen.get(number).copied().flatten() else {
            return usize::MAX;
        };
        if seen.earliest == seen.at {
            let first = self.waiting.iter().rposition(|waiting| *waiting == number);
            let mut circle = self.waiting.split_off(first.unwrap_or(self.waiting.len()));
            circle.sort_unstable();
            for member in &circle {
                if let Some(Some(seen)) = self.seen.get_mut(*member) {
                    seen.waits = false;
                }
            }
            self.found.push(circle);
        }
        seen.earliest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_need_each_other_are_together() {
        let all = circles(&[vec![1], vec![2], vec![1, 3], vec![]]);
        assert_eq!(all, [vec![3], vec![1, 2], vec![0]]);
        assert_eq!(circles(&[vec![1, 2], vec![0], vec![0]]), [vec![0, 1, 2]]);
        assert_eq!(circles(&[vec![0], vec![7]]), [vec![0], vec![1]]);
    }
}
