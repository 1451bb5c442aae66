use std::time::Duration;

use futures::future::join_all;
use store::{Beginning, Ending, NewOperation, Operation, OperationEnd};

use super::*;

fn booking<'a>(input: &'a serde_json::Value, key: Option<&'a str>) -> NewOperation<'a> {
    NewOperation { name: "book", input, key, lease: Duration::from_mins(1) }
}

fn done<T: std::fmt::Debug>(made: Once<T>) -> T {
    let Once::Done(answer) = made else { panic!("{made:?}") };
    answer
}

async fn begin(world: &World, new: &NewOperation<'_>) -> Beginning {
    done(world.store.begin_operation(world.path("work"), new, None).await.unwrap())
}

fn begun(beginning: Beginning) -> Operation {
    let Beginning::Begun(operation) = beginning else { panic!("{beginning:?}") };
    operation
}

async fn end(world: &World, id: i64, attempt: Option<i32>, end: OperationEnd<'_>) -> Option<Ending> {
    done(world.store.end_operation(world.path("work"), id, attempt, end, None).await.unwrap())
}

async fn pending(world: &World) -> Vec<i64> {
    let pending = world.store.operations(world.path("work"), 0, 10, Some("pending")).await.unwrap();
    pending.unwrap().iter().map(|operation| operation.id).collect()
}

#[tokio::test]
async fn what_was_begun_and_not_ended_is_known_after_a_crash() {
    let world = World::start().await;
    let input = json!({"flight": "AA1"});
    for id in 1..=3 {
        assert_eq!(begun(begin(&world, &booking(&input, None)).await).id, id);
    }
    let (done, failed) = (json!({"seat": 4}), OperationEnd::Failed("sold out"));
    let ended = end(&world, 1, None, OperationEnd::Completed(&done)).await.unwrap();
    assert!(matches!(&ended, Ending::Ended(operation) if operation.result == Some(done.clone())));
    assert!(matches!(end(&world, 3, Some(1), failed).await, Some(Ending::Ended(_))));
    // Whoever began the second is dead: another process finds it.
    let other = store_over(&world.database, 1);
    let left = other.operations(world.path("work"), 0, 10, Some("pending")).await.unwrap().unwrap();
    assert_eq!((left.len(), left[0].id, &left[0].input), (1, 2, &input));
    assert_eq!(pending(&world).await, [2]);
    let all = other.operations(world.path("work"), 1, 10, None).await.unwrap().unwrap();
    assert_eq!(all.iter().map(|operation| operation.id).collect::<Vec<_>>(), [2, 3]);
}

#[tokio::test]
async fn an_end_that_is_said_again_stands_and_another_one_does_not() {
    let world = World::start().await;
    let input = json!({});
    begun(begin(&world, &booking(&input, None)).await);
    let (four, five) = (json!(4), json!(5));
    let first = end(&world, 1, None, OperationEnd::Completed(&four)).await.unwrap();
    assert_eq!(end(&world, 1, None, OperationEnd::Completed(&four)).await.unwrap(), first);
    for other in [OperationEnd::Completed(&five), OperationEnd::Failed("no")] {
        let Some(Ending::Otherwise(stands)) = end(&world, 1, None, other).await else { panic!("it ended") };
        assert_eq!(stands.result, Some(four.clone()));
    }
    assert_eq!(end(&world, 2, None, OperationEnd::Completed(&four)).await, None);
    let bob = UserId::new("bob").unwrap();
    let theirs = SessionPath { user: &bob, ..world.path("work") };
    let unknown =
        world.store.end_operation(theirs, 1, None, OperationEnd::Completed(&four), None).await.unwrap();
    assert_eq!(unknown, Once::Done(None));
}

#[tokio::test]
async fn of_those_who_begin_the_same_one_does_it_and_the_others_get_its_answer() {
    let world = World::start().await;
    let input = json!({"flight": "AA1"});
    let ways = join_all((0..6).map(|_| begin(&world, &BOOKING_BY_KEY))).await;
    assert_eq!(ways.iter().filter(|way| matches!(way, Beginning::Begun(_))).count(), 1);
    assert!(ways.iter().all(|way| match way {
        Beginning::Begun(operation) | Beginning::Known(operation) => operation.id == 1,
        Beginning::KeyTaken(_) => false,
    }));
    end(&world, 1, Some(1), OperationEnd::Completed(&json!("done"))).await.unwrap();
    let Beginning::Known(known) = begin(&world, &BOOKING_BY_KEY).await else { panic!("it is known") };
    assert_eq!((known.status.as_str(), known.result), ("completed", Some(json!("done"))));
    let other = begin(&world, &booking(&input, Some("once"))).await;
    assert!(matches!(other, Beginning::KeyTaken(_)), "{other:?}");
    assert_eq!(world.count("operations").await, 1);
}

const NOTHING: serde_json::Value = serde_json::Value::Null;
const BOOKING_BY_KEY: NewOperation<'static> =
    NewOperation { name: "book", input: &NOTHING, key: Some("once"), lease: Duration::from_mins(1) };

#[tokio::test]
async fn an_operation_whose_lease_ended_or_that_failed_is_begun_again_and_its_old_try_ends_nothing() {
    let world = World::start().await;
    begun(begin(&world, &BOOKING_BY_KEY).await);
    let owner = world.database.client().await.unwrap();
    owner
        .batch_execute("update afterthought.operations set lease_until = now() - interval '1 second'")
        .await
        .unwrap();
    let again = begun(begin(&world, &BOOKING_BY_KEY).await);
    assert_eq!((again.id, again.attempt), (1, 2));
    let late = end(&world, 1, Some(1), OperationEnd::Completed(&json!("late"))).await;
    assert!(matches!(late, Some(Ending::Otherwise(_))), "{late:?}");
    assert!(matches!(end(&world, 1, Some(2), OperationEnd::Failed("no")).await, Some(Ending::Ended(_))));
    assert_eq!(begun(begin(&world, &BOOKING_BY_KEY).await).attempt, 3);
    assert_eq!(pending(&world).await, [1]);
}

#[tokio::test]
async fn a_request_that_comes_to_nothing_leaves_its_key() {
    let world = World::start().await;
    begun(begin(&world, &BOOKING_BY_KEY).await);
    let key = request("k", 1);
    let input = json!({"flight": "AA1"});
    let other = booking(&input, Some("once"));
    let taken = world.store.begin_operation(world.path("work"), &other, Some(&key)).await.unwrap();
    assert!(matches!(done(taken), Beginning::KeyTaken(_)));
    let end = async |id, end| {
        done(world.store.end_operation(world.path("work"), id, None, end, Some(&key)).await.unwrap())
    };
    assert_eq!(end(9, OperationEnd::Failed("no")).await, None);
    assert!(matches!(end(1, OperationEnd::Completed(&json!(4))).await, Some(Ending::Ended(_))));
    assert_eq!(world.count("requests").await, 1);
    let again =
        world.store.begin_operation(world.path("work"), &other, Some(&request("k", 2))).await.unwrap();
    assert_eq!(again, Once::Otherwise, "the last of them took it");
}
