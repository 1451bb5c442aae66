-- Gives an endpoint back when nothing waits for it any more. $1 endpoint, $2 claim; $3 even if something does.
update afterthought.webhook_endpoints
set claim = null, claimed_until = null
where id = $1 and claim = $2
  and ($3 or not exists (
      select from afterthought.webhook_deliveries where endpoint_id = $1 and status = 'pending'))
