-- Tokens of a tenant's runs that ended within a span. $1 tenant, $2 from, $3 before.
-- Added up as numeric, because a single count may be as large as a bigint can be.
select least(coalesce(sum(input_tokens::numeric + output_tokens), 0), 9223372036854775807)::bigint
from afterthought.agent_runs
where tenant = $1 and finished_at >= $2 and finished_at < $3
