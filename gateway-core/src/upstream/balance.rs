//! Which of several endpoints a request goes to. Pure: what is known of the endpoints comes in, an index comes out.

/// What is known of the endpoints.
pub(crate) trait Candidates {
    /// How many there are.
    fn count(&self) -> usize;
    /// Whether one may be chosen.
    fn is_eligible(&self, index: usize) -> bool;
    /// Its share; at least 1.
    fn weight(&self, index: usize) -> u32;
    /// Requests it has.
    fn requests(&self, index: usize) -> u32;
    /// How long it takes to answer, in microseconds; 0 is not known.
    fn latency(&self, index: usize) -> f32;
    /// Whether it is to be tried now to see if it works again.
    fn is_due(&self, index: usize) -> bool;
    /// A number for its address, always the same.
    fn identity(&self, index: usize) -> u64;
}

/// An endpoint of which nothing is known yet gets one request, and as long as that lasts no other is expected to
/// end sooner than this, in microseconds.
const UNKNOWN: f32 = 1e6;

/// Draws two by weight and takes the one that is likely to answer sooner.
pub(crate) fn better_of_two(candidates: &impl Candidates, random: u64) -> Option<usize> {
    let (total, count) = weights(candidates);
    let first = draw(candidates, total, random, None)?;
    let left = total - u64::from(candidates.weight(first));
    let Some(second) = draw(candidates, left, mixed(random), Some(first)) else {
        return Some(first);
    };
    if candidates.is_due(first) || candidates.is_due(second) {
        return Some(if candidates.is_due(first) { first } else { second });
    }
    let mean = total as f32 / count as f32;
    let cost = |index| expected(candidates, index, mean);
    Some(if cost(second) < cost(first) { second } else { first })
}

/// How long a request would take: what answers take, times the requests there are in proportion to the weight.
fn expected(candidates: &impl Candidates, index: usize, mean_weight: f32) -> f32 {
    let requests = candidates.requests(index) as f32 * mean_weight / candidates.weight(index) as f32;
    let latency = match candidates.latency(index) {
        known if known > 0.0 => known,
        _ if requests > 0.0 => UNKNOWN,
        _ => 0.0,
    };
    latency * (1.0 + requests)
}

/// The one with the fewest requests in proportion to its weight; equal ones are drawn by weight.
pub(crate) fn least_requests(candidates: &impl Candidates, mut random: u64) -> Option<usize> {
    let mut best: Option<usize> = None;
    let mut equal = 0;
    for index in eligible(candidates) {
        let weight = u64::from(candidates.weight(index));
        let here = u64::from(candidates.requests(index));
        let order = best.map(|best| {
            let there = u64::from(candidates.requests(best)) * weight;
            (here * u64::from(candidates.weight(best))).cmp(&there)
        });
        match order {
            None | Some(std::cmp::Ordering::Less) => {
                best = Some(index);
                equal = weight;
            }
            Some(std::cmp::Ordering::Equal) => {
                equal += weight;
                random = mixed(random);
                if random % equal < weight {
                    best = Some(index);
                }
            }
            Some(std::cmp::Ordering::Greater) => {}
        }
    }
    best
}

/// The next in turn (the smooth weighted round robin of nginx): each has credit by its weight, and the richest pays.
pub(crate) fn in_turn(candidates: &impl Candidates, credits: &mut [i64]) -> Option<usize> {
    let mut total = 0;
    let mut best: Option<(usize, i64)> = None;
    for index in eligible(candidates) {
        let weight = i64::from(candidates.weight(index));
        let credit = credits.get_mut(index)?;
        *credit += weight;
        total += weight;
        if best.is_none_or(|(_, most)| *credit > most) {
            best = Some((index, *credit));
        }
    }
    let (best, _) = best?;
    *credits.get_mut(best)? -= total;
    Some(best)
}

/// The one that a key belongs to (weighted rendezvous hashing): of the keys of one that goes, the others get their
/// shares, and no other key moves.
pub(crate) fn owner(candidates: &impl Candidates, key: u64) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for index in eligible(candidates) {
        let hash = mixed(candidates.identity(index) ^ mixed(key));
        // From the upper 53 bits, never 0 or 1.
        let fraction = ((hash >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        let score = -f64::from(candidates.weight(index)) / fraction.ln();
        if best.is_none_or(|(_, most)| score > most) {
            best = Some((index, score));
        }
    }
    best.map(|(index, _)| index)
}

fn eligible(candidates: &impl Candidates) -> impl Iterator<Item = usize> {
    (0..candidates.count()).filter(|index| candidates.is_eligible(*index))
}

fn weights(candidates: &impl Candidates) -> (u64, usize) {
    eligible(candidates).fold((0, 0), |(total, count), index| {
        (total + u64::from(candidates.weight(index)), count + 1)
    })
}

/// One by weight, but not that one. Others may stop being eligible while we look.
fn draw(candidates: &impl Candidates, total: u64, random: u64, but: Option<usize>) -> Option<usize> {
    let mut left = random.checked_rem(total)?;
    let mut last = None;
    for index in eligible(candidates).filter(|index| Some(*index) != but) {
        let weight = u64::from(candidates.weight(index));
        if left < weight {
            return Some(index);
        }
        left -= weight;
        last = Some(index);
    }
    last
}

/// Spreads every bit over all (the finalizer of SplitMix64).
pub(crate) fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A number for a text, the same in every process (FNV-1a).
pub(crate) fn hashed(bytes: &[u8]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325;
    let hash = bytes.iter().fold(start, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    mixed(hash)
}

#[cfg(test)]
mod tests;
