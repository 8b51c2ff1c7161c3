//! Cycles among servers: whoever follows one never arrives.

/// The first cycle that following `next` from any of `count` leads into, from one of it to the same again. Takes time in
/// proportion to the edges, and no stack.
pub(crate) fn cycle(count: usize, next: impl Fn(usize) -> Vec<usize>) -> Option<Vec<usize>> {
    let mut done = vec![false; count];
    let mut on_path = vec![false; count];
    for start in 0..count {
        let mut path: Vec<(usize, std::vec::IntoIter<usize>)> = Vec::new();
        let mut enter = (!done[start]).then_some(start);
        loop {
            if let Some(node) = enter.take() {
                on_path[node] = true;
                path.push((node, next(node).into_iter()));
            }
            let Some((node, rest)) = path.last_mut() else { break };
            match rest.next() {
                Some(to) if on_path[to] => {
                    let nodes = path.iter().map(|(node, _)| *node).skip_while(|node| *node != to);
                    return Some(nodes.chain([to]).collect());
                }
                Some(to) => enter = (!done[to]).then_some(to),
                None => {
                    (on_path[*node], done[*node]) = (false, true);
                    path.pop();
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(edges: &[&[usize]]) -> Option<Vec<usize>> {
        cycle(edges.len(), |node| edges[node].to_vec())
    }

    #[test]
    fn a_cycle_is_found_with_its_members_in_order() {
        assert_eq!(of(&[&[1], &[2, 3], &[], &[4], &[1]]), Some(vec![1, 3, 4, 1]));
        assert_eq!(of(&[&[], &[1]]), Some(vec![1, 1]));
    }

    #[test]
    fn meeting_twice_is_no_cycle() {
        assert_eq!(of(&[&[1, 2], &[3], &[3], &[]]), None);
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let count = 200_000;
        assert_eq!(cycle(count, |node| (node + 1..(node + 2).min(count)).collect()), None);
    }
}
