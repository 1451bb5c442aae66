use super::*;

const NOW: i64 = 1_800_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(NOW + second).unwrap()
}

const fn seconds(seconds: u64) -> Delay {
    Delay::For(Duration::from_secs(seconds))
}

/// The first delivery of a wake-up at `version` of an agent that neither is debounced nor waits.
fn plain(version: i64) -> Terms {
    Terms {
        debounce: None,
        wait: None,
        version: Some(version),
        deferrals: 0,
        receives: 1,
        begin_until: at(50),
    }
}

/// A window whose events were accepted a minute and half a minute ago.
fn seen(after: i64, through: i64, head: i64) -> Seen {
    Seen { after, through, head, accepted: (at(-60), at(-30)), awaited: None, held: false, concurrency: None }
}

const fn claimed(seen: Seen) -> Happened {
    Happened::Claimed(Some(seen))
}

const fn leased(tries: u32, through: i64) -> Happened {
    Happened::Leased { tries, through }
}

const fn thinks(through: i64) -> Do {
    Do::Think { through, built_in_only: false }
}

/// What is done after each thing that happens, all at one time.
fn course(terms: Terms, happenings: &[Happened]) -> Vec<Do> {
    let (mut flow, first) = Flow::begin(terms);
    let rest = happenings.iter().map(|happened| flow.next(*happened, at(0)));
    std::iter::once(first).chain(rest).collect()
}

fn last(terms: Terms, happenings: &[Happened]) -> Do {
    *course(terms, happenings).last().unwrap()
}

#[test]
fn a_window_is_claimed_leased_thought_about_committed_and_released() {
    let happenings =
        [claimed(seen(0, 3, 3)), leased(1, 3), Happened::Thought, Happened::Committed(true), Happened::Done];
    assert_eq!(
        course(plain(3), &happenings),
        [
            Do::Claim,
            Do::Lease { after: 0, through: 3 },
            thinks(3),
            Do::Commit { through: 3, degraded: None },
            Do::Release,
            Do::End(Ended::Thought),
        ]
    );
}

#[test]
fn what_is_done_with_takes_no_lease() {
    assert_eq!(last(plain(3), &[claimed(seen(3, 3, 3))]), Do::End(Ended::NothingNew));
    assert_eq!(last(plain(3), &[claimed(Seen { held: true, ..seen(0, 3, 3) })]), Do::End(Ended::Held));
    assert_eq!(last(plain(3), &[Happened::Claimed(None)]), Do::End(Ended::UnknownSession));
    let redrive = Terms { version: None, ..plain(0) };
    assert_eq!(last(redrive, &[Happened::Claimed(None)]), Do::End(Ended::NothingNew));
}

#[test]
fn what_is_left_is_thought_about_at_once_though_the_session_is_busy() {
    let debounced = Terms { debounce: Some(Debounce { max_wait: Duration::from_mins(5) }), ..plain(9) };
    let happenings = [
        claimed(seen(0, 4, 9)),
        leased(1, 4),
        Happened::Thought,
        Happened::Committed(true),
        claimed(seen(4, 8, 12)),
    ];
    assert_eq!(last(debounced, &happenings[..4]), Do::Claim);
    assert_eq!(last(debounced, &happenings), Do::Lease { after: 4, through: 8 });
    assert_eq!(last(debounced, &[claimed(seen(0, 4, 12))]), Do::End(Ended::StillBusy));
}

#[test]
fn when_the_time_is_up_somebody_is_woken_for_the_rest_before_this_wake_up_ends() {
    let hurried = Terms { begin_until: at(0), ..plain(9) };
    let happenings = [
        claimed(seen(0, 4, 9)),
        leased(1, 4),
        Happened::Thought,
        Happened::Committed(true),
        Happened::Done,
        Happened::Done,
    ];
    assert_eq!(
        course(hurried, &happenings)[4..],
        [Do::Release, Do::SendRest { version: 9 }, Do::End(Ended::Thought)]
    );
    let unsent = [&happenings[..5], &[Happened::Unreachable]].concat();
    assert_eq!(last(hurried, &unsent), Do::End(Ended::Retry { attempt: 1 }));
}

#[test]
fn a_later_try_thinks_about_the_window_of_the_first() {
    assert_eq!(last(plain(9), &[claimed(seen(0, 9, 9)), leased(2, 6)]), thinks(6));
}

#[test]
fn a_later_try_that_read_less_than_the_first_reads_again_but_once() {
    let happenings = [claimed(seen(0, 5, 5)), leased(2, 6), claimed(seen(0, 7, 7)), leased(2, 6)];
    assert_eq!(
        course(plain(5), &happenings)[2..],
        [Do::Claim, Do::Lease { after: 0, through: 7 }, thinks(6)]
    );
    let in_vain = [claimed(seen(0, 5, 5)), leased(2, 6), claimed(seen(0, 5, 5)), leased(2, 6)];
    assert_eq!(last(plain(5), &in_vain), thinks(5));
}

#[test]
fn what_an_earlier_try_left_is_kept_when_this_one_does_not_come_to_think() {
    let looked_again = [claimed(seen(0, 5, 5)), leased(3, 6)];
    let held = claimed(Seen { held: true, ..seen(0, 6, 6) });
    let waits = claimed(Seen { awaited: Some(0), ..seen(0, 6, 6) });
    for happened in [held, waits, Happened::Unreachable] {
        let happenings = [&looked_again[..], &[happened]].concat();
        let terms = Terms { wait: Some(Duration::from_hours(1)), ..plain(5) };
        assert_eq!(last(terms, &happenings), Do::Yield { tries: 2, through: 6 });
    }
}

#[test]
fn a_lease_whose_answer_is_lost_is_left_to_end_by_itself() {
    assert_eq!(
        last(plain(3), &[claimed(seen(0, 3, 3)), Happened::Unreachable]),
        Do::End(Ended::Retry { attempt: 1 })
    );
}

#[test]
fn the_lease_of_a_window_that_is_done_with_is_released_when_the_next_one_is_not_reached() {
    let first = [claimed(seen(0, 4, 9)), leased(1, 4), Happened::Thought, Happened::Committed(true)];
    let unclaimed = [&first[..], &[Happened::Unreachable]].concat();
    let unleased = [&first[..], &[claimed(seen(4, 8, 9)), Happened::Unreachable]].concat();
    assert_eq!(last(plain(9), &unclaimed), Do::Release);
    assert_eq!(last(plain(9), &unleased), Do::Release);
}

#[test]
fn an_outage_neither_adds_up_nor_hides_that_there_was_a_try() {
    for (tries, happened) in [
        (1, Happened::Failed(Fault::Outside)),
        (9, Happened::Failed(Fault::Outside)),
        (9, Happened::Unreachable),
    ] {
        let happenings = [claimed(seen(0, 1, 1)), leased(tries, 1), happened];
        assert_eq!(last(plain(1), &happenings), Do::Yield { tries: 1, through: 1 });
    }
}

#[test]
fn a_window_that_fails_is_halved_at_once_until_one_event_is_left() {
    let fails = Happened::Failed(Fault::Window);
    let happenings = [claimed(seen(4, 9, 9)), leased(1, 9), fails, fails, fails, Happened::Done];
    assert_eq!(
        course(plain(9), &happenings)[2..],
        [
            thinks(9),
            thinks(6),
            thinks(5),
            Do::Yield { tries: 1, through: 5 },
            Do::End(Ended::Retry { attempt: 1 })
        ]
    );
}

#[test]
fn one_event_is_set_aside_at_the_fifth_failure_or_at_once_when_it_always_will() {
    let set_aside = Do::Quarantine { through: 1, poison: Poison::Failed };
    let fails =
        |tries, fault| last(plain(1), &[claimed(seen(0, 1, 1)), leased(tries, 1), Happened::Failed(fault)]);
    assert_eq!(fails(4, Fault::Window), Do::Yield { tries: 4, through: 1 });
    assert_eq!(fails(5, Fault::Window), set_aside);
    assert_eq!(fails(1, Fault::WindowForGood), set_aside);
}

#[test]
fn what_the_store_refuses_is_halved_and_set_aside_like_what_fails() {
    let refused = [Happened::Thought, Happened::Failed(Fault::Window)];
    let two = [&[claimed(seen(0, 2, 2)), leased(1, 2)], &refused[..]].concat();
    let one = [&[claimed(seen(0, 1, 1)), leased(5, 1)], &refused[..]].concat();
    assert_eq!(last(plain(2), &two), thinks(1));
    assert_eq!(last(plain(1), &one), Do::Quarantine { through: 1, poison: Poison::Failed });
}

#[test]
fn a_process_that_dies_again_and_again_takes_one_event_at_a_time_and_then_sets_it_aside() {
    let taken = |tries| last(plain(4), &[claimed(seen(0, 4, 4)), leased(tries, 4)]);
    assert_eq!(taken(5), thinks(4));
    assert_eq!(taken(6), thinks(1));
    assert_eq!(taken(10), thinks(1));
    assert_eq!(taken(11), Do::Quarantine { through: 1, poison: Poison::Deadly { tries: 10 } });
}

#[test]
fn setting_aside_what_failed_is_tried_again_as_that() {
    let unrecorded = |tries, more: &[Happened]| {
        let happenings =
            [&[claimed(seen(0, 1, 1)), leased(tries, 1)], more, &[Happened::Unreachable]].concat();
        last(plain(1), &happenings)
    };
    assert_eq!(unrecorded(9, &[Happened::Failed(Fault::Window)]), Do::Yield { tries: 5, through: 1 });
    assert_eq!(unrecorded(11, &[]), Do::Yield { tries: 11, through: 1 });
}

#[test]
fn a_message_that_sqs_is_about_to_give_up_on_is_sent_anew_before_anything_else() {
    let fourth = Terms { receives: 4, deferrals: 2, ..plain(3) };
    let anew = Do::Defer { delay: Delay::BackOff { attempt: 6 }, version: Some(3) };
    assert_eq!(course(fourth, &[Happened::Done]), [anew, Do::End(Ended::Deferred)]);
    assert_eq!(last(fourth, &[Happened::Unreachable]), Do::End(Ended::Retry { attempt: 6 }));
    assert_eq!(last(Terms { receives: 3, ..plain(3) }, &[]), Do::Claim);
}

#[test]
fn a_lease_that_another_holds_is_looked_for_again_after_a_second_and_then_ever_later() {
    let held = |deferrals, left| {
        last(
            Terms { deferrals, ..plain(3) },
            &[claimed(seen(0, 3, 3)), Happened::NotLeased { until: at(left) }],
        )
    };
    let deferred = |after| Do::Defer { delay: seconds(after), version: Some(3) };
    assert_eq!(held(0, 100), deferred(1));
    assert_eq!(held(3, 100), deferred(8));
    assert_eq!(held(99, 100), deferred(15));
    assert_eq!(held(99, 7), deferred(7));
    assert_eq!(held(99, -7), deferred(1));
}

#[test]
fn without_a_free_slot_the_lease_is_yielded_and_the_try_does_not_count() {
    let limited = Seen { concurrency: Some(2), ..seen(0, 3, 3) };
    let happenings = [claimed(limited), leased(3, 3), Happened::Slot(false), Happened::Done, Happened::Done];
    assert_eq!(
        course(plain(3), &happenings)[2..],
        [
            Do::Slot { limit: 2 },
            Do::Yield { tries: 2, through: 3 },
            Do::Defer { delay: seconds(1), version: Some(3) },
            Do::End(Ended::Deferred)
        ]
    );
}

#[test]
fn an_agent_waits_until_the_other_has_reached_the_end_of_the_window_or_the_time_is_up() {
    let waits = |timeout| Terms { wait: Some(Duration::from_secs(timeout)), ..plain(3) };
    let sees = |awaited| claimed(Seen { awaited: Some(awaited), ..seen(0, 3, 3) });
    assert_eq!(last(waits(31), &[sees(2)]), Do::Defer { delay: seconds(1), version: Some(3) });
    assert_eq!(last(waits(31), &[sees(2), Happened::Done]), Do::End(Ended::Waiting));
    let commits = |timeout, awaited| last(waits(timeout), &[sees(awaited), leased(1, 3), Happened::Thought]);
    assert_eq!(commits(31, 3), Do::Commit { through: 3, degraded: None });
    assert_eq!(commits(30, 2), Do::Commit { through: 3, degraded: Some(Degraded::WaitedInVain) });
}

#[test]
fn patience_is_a_deferral_or_a_hold_and_tokens_used_up_are_the_built_in_model_or_a_hold() {
    let after = |fault, more: &[Happened]| {
        let happenings = [&[claimed(seen(0, 3, 3)), leased(1, 3), Happened::Failed(fault)], more].concat();
        last(plain(3), &happenings)
    };
    let minutes = |minutes| Fault::Later(Duration::from_mins(minutes));
    let done = [Happened::Done];
    assert_eq!(after(minutes(15), &done), Do::Defer { delay: seconds(900), version: Some(3) });
    assert_eq!(after(minutes(16), &done), Do::Hold { until: at(960), sleep: Sleep::Session });
    assert_eq!(after(Fault::ExhaustedUntil(at(99)), &done), Do::Hold { until: at(99), sleep: Sleep::Tenant });
    assert_eq!(after(minutes(16), &[Happened::Done; 2]), Do::End(Ended::Asleep));
    assert_eq!(
        after(minutes(16), &[Happened::Done, Happened::Unreachable]),
        Do::End(Ended::Retry { attempt: 1 })
    );
    assert_eq!(after(Fault::Exhausted, &[]), Do::Think { through: 3, built_in_only: true });
    assert_eq!(
        after(Fault::Exhausted, &[Happened::Thought]),
        Do::Commit { through: 3, degraded: Some(Degraded::Exhausted) }
    );
}

#[test]
fn a_redrive_is_about_its_window_alone_and_never_holds_the_session() {
    let redrive = Terms { version: None, ..plain(0) };
    let begun = [claimed(Seen { held: true, ..seen(6, 7, 7) }), leased(2, 9)];
    let then = |more: &[Happened]| last(redrive, &[&begun[..], more].concat());
    assert_eq!(then(&[]), thinks(7));
    assert_eq!(then(&[Happened::Thought, Happened::Committed(true)]), Do::Release);
    // Whether another redrive was first, or what this one's thoughts replace has changed, the next look tells.
    let lost = [Happened::Thought, Happened::Committed(false)];
    assert_eq!(then(&lost), Do::Claim);
    assert_eq!(then(&[&lost[..], &[Happened::Claimed(None)]].concat()), Do::Release);
    let closed = [&lost[..], &[Happened::Claimed(None), Happened::Done]].concat();
    assert_eq!(then(&closed), Do::End(Ended::LostRace));
    let sleeps = Happened::Failed(Fault::Later(Duration::from_hours(2)));
    assert_eq!(then(&[sleeps, Happened::Done]), Do::Defer { delay: seconds(900), version: None });
    let deadly = [claimed(seen(6, 7, 7)), leased(11, 7)];
    assert_eq!(last(redrive, &deadly), Do::Quarantine { through: 7, poison: Poison::Deadly { tries: 10 } });
}

#[test]
fn whoever_loses_looks_again_for_what_the_winner_left() {
    let lost = [claimed(seen(0, 3, 5)), leased(1, 3), Happened::Thought, Happened::Committed(false)];
    assert_eq!(last(plain(5), &lost), Do::Claim);
    let behind = [&lost[..], &[claimed(seen(3, 5, 5))]].concat();
    let passed = [&lost[..], &[claimed(seen(5, 5, 5)), Happened::Done]].concat();
    assert_eq!(last(plain(5), &behind), Do::Lease { after: 3, through: 5 });
    assert_eq!(last(plain(5), &passed), Do::End(Ended::LostRace));
}

#[test]
fn a_report_that_belongs_to_nothing_asked_for_is_no_success() {
    assert_eq!(last(plain(3), &[Happened::Committed(true)]), Do::End(Ended::Retry { attempt: 1 }));
    assert_eq!(
        last(plain(3), &[claimed(seen(0, 3, 3)), leased(1, 3), Happened::Committed(true)]),
        Do::Yield { tries: 1, through: 3 }
    );
}
