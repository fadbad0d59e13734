//! What one client address may have: connections, requests at a time, requests per second.
//!
//! The table is bounded. An attacker with many addresses fills it with entries that are in use, and then newcomers share
//! one place per shard: they are slowed down together, memory does not grow, and who was there before notices nothing.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{Moment, Rate, client::Client};

/// Locks, so that requests of different clients seldom meet.
const SHARDS: usize = 16;
/// Clients in one shard: about 6 MiB in all shards.
const PER_SHARD: usize = 4_096;
/// A full shard is searched for idle entries no more often than this.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Limits of one address.
#[derive(Clone, Copy, Debug)]
pub struct AddressLimits {
    /// Connections open at a time.
    pub connections: NonZeroU32,
    /// Requests that wait for their answer.
    pub in_flight: NonZeroU32,
    /// Reads; a lookup counts as [`Access::Lookup`] says.
    pub reads: Rate,
    /// Submissions, accepted or not.
    pub submissions: Rate,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A checkpoint, a tile, a bundle.
    Read,
    /// A page, or an answer of the record: some queries.
    View,
    /// A search with proofs: many reads of the store.
    Lookup,
    /// A statement to check and log.
    Submit,
}

/// Which limit of an address is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressLimit {
    /// Requests at a time.
    InFlight,
    /// Reads per second.
    Reads,
    /// Submissions per second.
    Submissions,
}

/// Too much at once or in too short a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// Of what.
    pub limit: AddressLimit,
    /// How long until one more request fits.
    pub wait: Duration,
}

/// Everything that is known of the addresses that come here.
#[derive(Debug)]
pub struct Addresses {
    limits: AddressLimits,
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
}

#[derive(Debug, Default)]
struct Shard {
    clients: HashMap<Client, Usage>,
    /// Shared by those for whom there is no room.
    others: Usage,
    swept: Moment,
}

#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    reads: Moment,
    submissions: Moment,
    in_flight: u32,
    connections: u32,
}

/// An open connection or a request in flight; it ends when this is dropped.
#[derive(Debug)]
pub struct Presence {
    addresses: Arc<Addresses>,
    shard: usize,
    /// `None`: counted among the others.
    client: Option<Client>,
    what: fn(&mut Usage) -> &mut u32,
}

impl Access {
    /// Reads that one of these counts as.
    const fn cost(self) -> u32 {
        match self {
            Self::Read | Self::Submit => 1,
            Self::View => 5,
            Self::Lookup => 20,
        }
    }
}

impl Addresses {
    /// Nobody came yet.
    pub fn new(limits: AddressLimits) -> Arc<Self> {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Arc::new(Self { limits, hasher: RandomState::new(), shards })
    }

    /// A connection, if this client may have one more.
    pub fn connect(self: &Arc<Self>, client: Client, now: Moment) -> Option<Presence> {
        let (number, mut shard) = self.shard(client);
        let (usage, known) = shard.usage(client, now);
        if usage.connections >= self.limits.connections.get() {
            return None;
        }
        usage.connections += 1;
        Some(self.presence(number, known.then_some(client), |usage| &mut usage.connections))
    }

    /// A request, if this client may send one more.
    ///
    /// # Errors
    /// It may not, and why.
    pub fn request(self: &Arc<Self>, client: Client, access: Access, now: Moment) -> Result<Presence, TooMany> {
        let (number, mut shard) = self.shard(client);
        let (usage, known) = shard.usage(client, now);
        if usage.in_flight >= self.limits.in_flight.get() {
            return Err(TooMany { limit: AddressLimit::InFlight, wait: Duration::ZERO });
        }
        let (bucket, rate, limit) = match access {
            Access::Read | Access::View | Access::Lookup => (&mut usage.reads, self.limits.reads, AddressLimit::Reads),
            Access::Submit => (&mut usage.submissions, self.limits.submissions, AddressLimit::Submissions),
        };
        *bucket = rate.take(*bucket, now, access.cost()).map_err(|wait| TooMany { limit, wait })?;
        usage.in_flight += 1;
        Ok(self.presence(number, known.then_some(client), |usage| &mut usage.in_flight))
    }

    fn presence(self: &Arc<Self>, shard: usize, client: Option<Client>, what: fn(&mut Usage) -> &mut u32) -> Presence {
        Presence { addresses: Arc::clone(self), shard, client, what }
    }

    fn shard(&self, client: Client) -> (usize, MutexGuard<'_, Shard>) {
        #[expect(clippy::cast_possible_truncation, reason = "any bits of the hash will do")]
        let number = self.hasher.hash_one(client) as usize % SHARDS;
        (number, self.lock(number))
    }

    fn lock(&self, number: usize) -> MutexGuard<'_, Shard> {
        self.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    /// The client's own place and true, or the common one and false.
    fn usage(&mut self, client: Client, now: Moment) -> (&mut Usage, bool) {
        if !self.clients.contains_key(&client) && self.clients.len() >= PER_SHARD {
            self.sweep(now);
        }
        let full = self.clients.len() >= PER_SHARD;
        if full && !self.clients.contains_key(&client) {
            return (&mut self.others, false);
        }
        (self.clients.entry(client).or_default(), true)
    }

    fn sweep(&mut self, now: Moment) {
        if now.since(self.swept) >= SWEEP_EVERY {
            self.swept = now;
            self.clients.retain(|_, usage| !usage.is_idle(now));
        }
    }
}

impl Usage {
    /// With full buckets and nothing open, forgetting it changes nothing.
    fn is_idle(&self, now: Moment) -> bool {
        self.in_flight == 0 && self.connections == 0 && self.reads.max(self.submissions) <= now
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut shard = self.addresses.lock(self.shard);
        let usage = match self.client {
            // An entry with something open is never swept.
            Some(client) => shard.clients.get_mut(&client),
            None => Some(&mut shard.others),
        };
        if let Some(usage) = usage {
            let count = (self.what)(usage);
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::count, *};

    fn addresses() -> Arc<Addresses> {
        let rate = |n| Rate::new(count(n), Duration::from_secs(1), count(n));
        Addresses::new(AddressLimits {
            connections: count(2),
            in_flight: count(2),
            reads: rate(40),
            submissions: rate(3),
        })
    }

    const NOW: Moment = Moment(0);
    const ALICE: Client = Client::V4(1);
    const BOB: Client = Client::V4(2);

    #[test]
    fn what_is_open_counts_until_it_ends() {
        let addresses = addresses();
        let one = addresses.connect(ALICE, NOW).unwrap();
        let _two = addresses.connect(ALICE, NOW).unwrap();
        assert!(addresses.connect(ALICE, NOW).is_none());
        assert!(addresses.connect(BOB, NOW).is_some());
        drop(one);
        assert!(addresses.connect(ALICE, NOW).is_some());

        let flying = [Access::Read, Access::Submit].map(|access| addresses.request(ALICE, access, NOW).unwrap());
        let error = addresses.request(ALICE, Access::Read, NOW).unwrap_err();
        assert_eq!(error.limit, AddressLimit::InFlight);
        drop(flying);
        addresses.request(ALICE, Access::Read, NOW).unwrap();
    }

    #[test]
    fn reads_and_submissions_are_limited_apart_and_a_lookup_is_many_reads() {
        let addresses = addresses();
        for _ in 0..3 {
            addresses.request(ALICE, Access::Submit, NOW).unwrap();
        }
        assert_eq!(addresses.request(ALICE, Access::Submit, NOW).unwrap_err().limit, AddressLimit::Submissions);
        for _ in 0..2 {
            addresses.request(ALICE, Access::Lookup, NOW).unwrap();
        }
        assert_eq!(addresses.request(ALICE, Access::Read, NOW).unwrap_err().limit, AddressLimit::Reads);
        addresses.request(BOB, Access::Read, NOW).unwrap();
    }

    #[test]
    fn a_table_full_of_idle_addresses_makes_room() {
        let addresses = addresses();
        let clients = u32::try_from(3 * SHARDS * PER_SHARD).unwrap();
        for n in 0..clients {
            // A second apart: the one before has its tokens back.
            let now = NOW.after(Duration::from_secs(n.into()));
            addresses.request(Client::V4(n), Access::Submit, now).unwrap();
        }
        assert!(size(&addresses) <= SHARDS * PER_SHARD);
    }

    #[test]
    fn an_attacker_with_many_addresses_neither_grows_the_table_nor_pushes_anybody_out() {
        let addresses = addresses();
        let alice = [(); 2].map(|()| addresses.connect(ALICE, NOW).unwrap());
        let mut open = Vec::new();
        let mut refused = 0;
        for n in 0..u32::try_from(2 * SHARDS * PER_SHARD).unwrap() {
            match addresses.connect(Client::V6(n.into()), NOW) {
                Some(connection) => open.push(connection),
                None => refused += 1,
            }
        }
        assert!(size(&addresses) <= SHARDS * PER_SHARD);
        assert!(open.len() <= SHARDS * (PER_SHARD + 2), "{}", open.len());
        assert!(refused > 0);
        assert!(addresses.connect(ALICE, NOW).is_none(), "what is open was forgotten");
        drop((alice, open));
        addresses.connect(ALICE, NOW).unwrap();
    }

    fn size(addresses: &Addresses) -> usize {
        addresses.shards.iter().map(|shard| shard.lock().unwrap().clients.len()).sum()
    }
}
