//! Races of thousands of addresses: the work grows in step with their number.

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use loopctl::plan::{Answer, Family, LossReason, Policy, Preset, Race, RaceAddress, Step, Success};

use crate::course::{START, ms};

/// Address that counts how often a race looks at it.
#[derive(Debug, Clone)]
struct Watched {
    number: u32,
    looks: Rc<Cell<u64>>,
}

impl Watched {
    fn look(&self) {
        self.looks.set(self.looks.get() + 1);
    }
}

impl PartialEq for Watched {
    fn eq(&self, other: &Self) -> bool {
        self.look();
        self.number == other.number
    }
}

impl Eq for Watched {}

impl Hash for Watched {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.look();
        self.number.hash(state);
    }
}

impl RaceAddress for Watched {
    fn family(&self) -> Family {
        self.look();
        // The families come one after the other, as from a resolver.
        if self.number < COUNT / 2 { Family::Inet6 } else { Family::Inet }
    }
}

const COUNT: u32 = 4000;

/// Limit of the looks at each address. A race that looks at all of them for each step needs thousands.
const LOOKS_PER_ADDRESS: u64 = 64;

/// What becomes of each attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Fails,
    /// No packet leaves.
    Unsent,
    /// Nothing comes; the race may end it.
    Silent,
    /// TCP connects, TLS is silent.
    SilentTls,
}

/// Runs a race until it is lost or waits for good; returns its attempts, and the looks at the addresses.
fn run(policy: Policy, fate: Fate) -> (usize, u64) {
    let looks = Rc::new(Cell::new(0));
    let all = |range: std::ops::Range<u32>| -> Vec<Watched> {
        range.map(|number| Watched { number, looks: Rc::clone(&looks) }).collect()
    };
    let mut race = Race::with_queries([Family::Inet6, Family::Inet], policy);
    let (mut now, mut attempts) = (*START, 0);
    loop {
        match race.poll(now) {
            Step::Query(Family::Inet6) => {
                _ = race.answered(Family::Inet6, Answer::Addresses(all(0..COUNT / 2)), now)
            }
            Step::Query(family) => {
                _ = race.answered(family, Answer::Addresses(all(COUNT / 2..COUNT)), now)
            }
            Step::Start(start) => {
                attempts += 1;
                match fate {
                    Fate::Fails => race.failed(start.attempt, now),
                    Fate::Unsent => race.failed_unsent(start.attempt, now),
                    Fate::SilentTls => race.connected(start.attempt, now),
                    Fate::Silent => {}
                }
            }
            Step::Cancel { .. } => {}
            Step::Wait(Some(at)) => now = at.max(now),
            Step::Wait(None) => {
                let Some(oldest) = race.pending().next() else { break };
                // The kernel gives up.
                now += ms(1);
                race.failed(oldest, now);
            }
            Step::Won(_) => break,
            Step::Lost(why) => {
                assert_eq!(why, LossReason::AllFailed);
                break;
            }
        }
    }
    (attempts, looks.get())
}

#[test]
fn race_02_the_work_of_a_race_grows_in_step_with_its_addresses() {
    for preset in Preset::ALL {
        for fate in [Fate::Fails, Fate::Unsent, Fate::Silent, Fate::SilentTls] {
            let policy = Policy::from(preset);
            let wins_by_tcp = fate == Fate::SilentTls && policy.pacing.success == Success::Tcp;
            let (attempts, looks) = run(policy, fate);
            let case = format!("{preset}, {fate:?}: {attempts} attempts, {looks} looks");
            assert!(looks <= u64::from(COUNT) * LOOKS_PER_ADDRESS, "{case}");
            assert_eq!(attempts, if wins_by_tcp { 1 } else { COUNT as usize }, "{case}");
        }
    }
}

#[test]
fn race_02_thousands_of_addresses_twice_are_one_race() {
    let looks = Rc::new(Cell::new(0));
    let all = (0..2 * COUNT).map(|n| Watched { number: n % COUNT, looks: Rc::clone(&looks) });
    let mut policy = Policy::from(Preset::Hev3);
    policy.selection.deduplicate = true;
    let race = Race::with_addresses(all, policy);
    assert_eq!(race.untried().count(), COUNT as usize);
    assert!(looks.get() <= u64::from(COUNT) * LOOKS_PER_ADDRESS, "{} looks", looks.get());
}
