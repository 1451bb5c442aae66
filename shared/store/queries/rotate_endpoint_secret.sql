-- Gives an endpoint a new secret; the one before signs beside it until $3. $1 endpoint, $2 sealed secret.
update afterthought.webhook_endpoints
set old_secret = secret, old_secret_until = $3, secret = $2, updated_at = now()
where id = $1
