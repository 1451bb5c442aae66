use domain::state::{Canonical, MOST_PATCHES};
use futures::future::join_all;
use serde_json::Value;
use store::{Loading, NewCheckpoint, SavedCheckpoint, Saving};

use super::*;

/// What is given with a state, unless a test says otherwise.
fn plain(state: &Value, canonical: &Canonical) -> NewCheckpoint<'static> {
    // Leaked, so that a test can say what it changes in one line.
    let state: &'static Value = Box::leak(Box::new(state.clone()));
    let canonical: &'static Canonical = Box::leak(Box::new(canonical.clone()));
    NewCheckpoint {
        node_id: "plan",
        state,
        canonical,
        parent: None,
        sequence: None,
        through: None,
        schema_version: 1,
        replace: false,
    }
}

fn of(state: &Value) -> NewCheckpoint<'static> {
    plain(state, &Canonical::of(state, 1 << 20).unwrap())
}

async fn save(world: &World, new: NewCheckpoint<'_>) -> Saving {
    match world.store.save_checkpoint(world.path("work"), &new, None).await.unwrap() {
        Once::Done(saving) => saving,
        other => panic!("{other:?}"),
    }
}

fn saved(saving: Saving) -> SavedCheckpoint {
    let Saving::Saved(saved) = saving else { panic!("{saving:?}") };
    saved
}

async fn load(world: &World, sequence: Option<i64>) -> Loading {
    world.store.load_checkpoint(world.path("work"), sequence).await.unwrap().expect("it is there")
}

async fn state(world: &World, sequence: i64) -> Value {
    match load(world, Some(sequence)).await {
        Loading::Good(loaded) => loaded.checkpoint.state,
        damaged @ Loading::Damaged { .. } => panic!("{damaged:?}"),
    }
}

/// A state of a few kilobytes that changes a little with every step.
fn growing(step: i64) -> Value {
    json!({"step": step, "plan": "p".repeat(3_000), "notes": (0..step).collect::<Vec<_>>()})
}

#[tokio::test]
async fn what_is_saved_is_loaded_and_chained_to_what_came_before() {
    let world = World::start().await;
    let first = saved(save(&world, of(&json!({"a": 1.5}))).await);
    assert_eq!((first.sequence, first.parent, first.through), (1, None, 0));
    appended(world.append("work", &[message("x"), message("y")]).await);
    let second = saved(save(&world, NewCheckpoint { node_id: "act", ..of(&json!({"a": 2})) }).await);
    assert_eq!((second.sequence, second.parent, second.through), (2, Some(1), 2));
    let Loading::Good(loaded) = load(&world, None).await else { panic!("it is good") };
    assert_eq!((loaded.checkpoint.node_id.as_str(), &loaded.checkpoint.state), ("act", &json!({"a": 2})));
    assert_eq!(loaded.checkpoint.parent.map(|parent| parent.checksum), Some(first.checksum));
    assert_eq!(state(&world, 1).await, json!({"a": 1.5}));
    assert_eq!(world.store.load_checkpoint(world.path("work"), Some(3)).await.unwrap(), None);
    let list = world.store.checkpoints(world.path("work"), None, 10).await.unwrap();
    assert_eq!(list.iter().map(|record| record.sequence).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(world.store.checkpoints(world.path("work"), Some(2), 10).await.unwrap()[0].sequence, 1);
}

#[tokio::test]
async fn a_state_that_changes_a_little_is_stored_as_a_patch_and_loaded_whole() {
    let world = World::start().await;
    for step in 1..=45 {
        saved(save(&world, of(&growing(step))).await);
    }
    for step in 1..=45 {
        assert_eq!(state(&world, step).await, growing(step));
    }
    let list = world.store.checkpoints(world.path("work"), None, 100).await.unwrap();
    let whole: Vec<i64> =
        list.iter().filter(|record| record.is_whole).map(|record| record.sequence).collect();
    assert_eq!(whole, [41, 21, 1]);
    assert_eq!(MOST_PATCHES, 19);
    let (states, stored) = list
        .iter()
        .fold((0, 0), |(states, stored), record| (states + record.state_bytes, stored + record.stored_bytes));
    assert!(stored * 8 < states, "{stored} of {states} bytes");
}

#[tokio::test]
async fn the_same_again_is_saved_once_and_another_in_its_place_only_when_asked() {
    let world = World::start().await;
    let one = NewCheckpoint { sequence: Some(1), ..of(&json!({"a": 1})) };
    let first = saved(save(&world, one).await);
    let again = saved(save(&world, one).await);
    assert_eq!(again, SavedCheckpoint { was_saved: true, ..first });
    let other = NewCheckpoint { sequence: Some(1), ..of(&json!({"a": 2})) };
    assert_eq!(save(&world, other).await, Saving::Stale { latest: 1 });
    assert_eq!(state(&world, 1).await, json!({"a": 1}));
    saved(save(&world, NewCheckpoint { replace: true, ..other }).await);
    assert_eq!(state(&world, 1).await, json!({"a": 2}));
    // Later ones are chained to it: it stays.
    saved(save(&world, NewCheckpoint { sequence: Some(5), ..of(&json!({"a": 3})) }).await);
    assert_eq!(save(&world, NewCheckpoint { replace: true, ..one }).await, Saving::Stale { latest: 5 });
    assert!(saved(save(&world, other).await).was_saved, "an answer that was lost is given again");
    assert_eq!(save(&world, NewCheckpoint { sequence: Some(3), ..one }).await, Saving::Stale { latest: 5 });
    // The latest may be replaced, and goes on from the same parent.
    let five = NewCheckpoint { sequence: Some(5), replace: true, ..of(&json!({"a": 4})) };
    assert_eq!(saved(save(&world, five).await).parent, Some(1));
    assert_eq!(state(&world, 5).await, json!({"a": 4}));
    assert_eq!(world.count("checkpoints").await, 2);
}

#[tokio::test]
async fn of_those_who_go_on_from_the_same_checkpoint_one_wins() {
    let world = World::start().await;
    for parent in [0, 1] {
        let ways =
            join_all((0..6).map(|way| {
                let world = &world;
                async move {
                    save(world, NewCheckpoint { parent: Some(parent), ..of(&json!({"way": way})) }).await
                }
            }))
            .await;
        let won = ways.iter().filter(|way| matches!(way, Saving::Saved(_))).count();
        let stale = ways.iter().filter(|way| **way == Saving::Stale { latest: parent + 1 }).count();
        assert_eq!((won, stale), (1, 5), "{ways:?}");
    }
    // Without saying from which they go on, all are saved, one after the other.
    let ways = join_all((0..6).map(|way| {
        let world = &world;
        async move { saved(save(world, of(&json!({"way": way}))).await).sequence }
    }))
    .await;
    let mut ways = ways;
    ways.sort_unstable();
    assert_eq!(ways, [3, 4, 5, 6, 7, 8]);
    for sequence in 1..=8 {
        state(&world, sequence).await;
    }
}

#[tokio::test]
async fn a_request_saves_once_and_a_checkpoint_covers_no_event_that_is_not_there() {
    let world = World::start().await;
    let new = of(&json!({"a": 1}));
    let save = async |key| world.store.save_checkpoint(world.path("work"), &new, Some(&key)).await.unwrap();
    let Once::Done(Saving::Saved(first)) = save(request("k", 1)).await else { panic!("saved") };
    let Once::Repeated(answer) = save(request("k", 1)).await else { panic!("repeated") };
    assert_eq!(serde_json::from_value::<SavedCheckpoint>(answer).unwrap(), first);
    assert_eq!(save(request("k", 2)).await, Once::Otherwise);
    assert_eq!(world.count("checkpoints").await, 1);
    let beyond = NewCheckpoint { through: Some(1), ..new };
    let beyond = world.store.save_checkpoint(world.path("work"), &beyond, None).await.unwrap();
    assert_eq!(beyond, Once::Done(Saving::Beyond { head: 0 }));
}

#[tokio::test]
async fn a_session_that_begins_with_a_checkpoint_is_nobodys_recent_conversation() {
    let world = World::start().await;
    appended(world.append("talk", &[message("hello")]).await);
    saved(save(&world, of(&json!({}))).await);
    let owner = world.database.client().await.unwrap();
    let recent: String = owner
        .query_one("select session from afterthought.sessions order by last_event_at desc limit 1", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(recent, "talk");
    let nobody = TenantId::new("nobody").unwrap();
    let path = SessionPath { tenant: &nobody, ..world.path("work") };
    let error = world.store.save_checkpoint(path, &of(&json!({})), None).await.unwrap_err();
    assert!(error.names_unknown(), "{error}");
}

#[tokio::test]
async fn whatever_is_changed_in_a_stored_checkpoint_is_noticed_and_the_one_before_is_offered() {
    let world = World::start().await;
    for step in 1..=3 {
        saved(save(&world, of(&growing(step))).await);
    }
    let owner = world.database.client().await.unwrap();
    let damages = [
        "patch = replace(patch, '\"value\":3', '\"value\":4')",
        "patch = patch || ' '",
        "patch = null",
        "state = '{}'",
        "node_id = 'elsewhere'",
        "sequence = 9",
        "parent = 1",
        "parent = null, parent_checksum = null",
        "parent_checksum = set_byte(parent_checksum, 4, get_byte(parent_checksum, 4) # 1)",
        "through = through + 1",
        "schema_version = 2",
        "checksum = set_byte(checksum, 31, get_byte(checksum, 31) # 128)",
        "session_id = gen_random_uuid()",
        "whole = 3",
        "whole = 2",
    ];
    owner.batch_execute("create table public.good as select * from afterthought.checkpoints").await.unwrap();
    for damage in damages {
        // As whoever damages a row by hand does, without the checks that triggers make.
        owner
            .batch_execute(&format!(
                "set session_replication_role = replica;
                 update afterthought.checkpoints set {damage} where sequence = 3"
            ))
            .await
            .unwrap();
        let moved = damage.starts_with("session_id");
        match load(&world, None).await {
            Loading::Damaged { previous_good, .. } if !moved => {
                assert_eq!(previous_good, Some(2), "{damage}");
            }
            Loading::Good(loaded) if moved => assert_eq!(loaded.checkpoint.sequence, 2),
            other => panic!("{damage}: {other:?}"),
        }
        owner
            .batch_execute(
                "delete from afterthought.checkpoints;
                 insert into afterthought.checkpoints select * from public.good;
                 reset session_replication_role",
            )
            .await
            .unwrap();
        assert_eq!(state(&world, 3).await, growing(3));
    }
    // What they are made of is damaged: none of them is good, and the next is saved whole.
    owner
        .batch_execute(
            "update afterthought.checkpoints set state = replace(state, 'pp', 'pq') where sequence = 1",
        )
        .await
        .unwrap();
    let Loading::Damaged { sequence: 3, previous_good: None, .. } = load(&world, None).await else {
        panic!("nothing is left")
    };
    let next = saved(save(&world, of(&growing(4))).await);
    assert_eq!((next.parent, next.stored_bytes), (Some(3), next.state_bytes));
    assert_eq!(state(&world, 4).await, growing(4));
    let good = world.store.latest_good_checkpoint(world.path("work"), 3).await.unwrap();
    assert_eq!((good.loaded, good.damaged), (None, vec![3, 2, 1]));
}
