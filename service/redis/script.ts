import { WINDOW } from '../../shared/constants.js'
import { type Script, scriptOf } from './clients.js'

/** How far the server's clock may go back without being noticed, milliseconds. */
const STEP_BACK = 1_000
/** How far the clock of a process may be from the server's, milliseconds; the second is for the way there. */
export const CLOCKS_APART = 61_000
/** Requests are counted over as many milliseconds of stamps. */
export const PERIOD = 64_000
/** How long entries are kept after the window of their stamps, milliseconds. */
const KEPT_LONGER = 10_000
const KEPT = WINDOW.SERVICE_PAST + KEPT_LONGER

/**
 * Step 4 of docs/protocol.md section 8, in one script on the server, with the server's clock. All processes of a service
 * are judged by that clock, so it does not matter how far apart their own ones are.
 *
 * The entries of one second of stamps are one hash, from the id to the attempt that brought it. The state is a hash too:
 * an epoch that somebody drew, the server (by its replication id, which a restart, a promotion and a fail-over change),
 * the newest time read, the floor, and how many entries each second has. If any of it is not what it was, something was
 * lost: a new epoch begins, with the floor of a start. Everything accepted before was stamped at most 5 s after the
 * newest time that the server read, so it lies below that floor. A process is admitted nothing before it knows the epoch.
 * It brings the newest time at which it was admitted something in this epoch: a server that does not know of that time
 * has gone back to what it was earlier.
 *
 * A server whose clock is far from that of the process writes nothing: no epoch begins with a wrong time, which would
 * hold its floor ahead for as long as the clock was ahead.
 *
 * What a user of the server must be permitted to do is done for the first entry of each second before an entry is
 * written, if need be to no effect, so that entries are never left without their expiry. HSET comes first: a server
 * refuses it when its memory is full, unless the script has written already.
 *
 * A second whose number of entries is not known in this epoch got none in it: what is there is of an earlier one, below
 * the floor, and does no harm.
 */
export const ADMIT: Script = scriptOf(`
local state, entries, counts = KEYS[1], KEYS[2], KEYS[3]
local id, stamp, attempt, known = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local own, clock, seen = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local presenter, room = ARGV[8], tonumber(ARGV[9])
local timeOf = function(text) return text and string.find(text, '^%d+$') and #text <= 16 and tonumber(text) end
local info = redis.call('INFO', 'replication')
local server = string.match(info, 'master_replid:(%x+)')
if not server or not string.find(info, 'role:master', 1, true) then
  return redis.error_reply('NOMASTER this server is a replica, or does not tell its replication id')
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local whole = function(number) return string.format('%.0f', number) end
local epoch, newest, floor = '-', 0, 0
local answer = function(outcome)
  return table.concat({ outcome, epoch, whole(now), whole(floor) }, ' ')
end
if math.abs(clock - now) > ${CLOCKS_APART} then return answer('apart') end
local second = whole(math.floor(stamp / 1000))
local writer, count
epoch, writer, newest, floor, count =
  unpack(redis.call('HMGET', state, 'epoch', 'server', 'newest', 'floor', second))
local isWhole = epoch and #epoch <= 64 and string.find(epoch, '^[%x%-]+$') and timeOf(newest) and timeOf(floor)
newest, floor = timeOf(newest) or 0, timeOf(floor) or 0
local held = redis.call('HLEN', entries)
local isLost = count and stamp > now - ${WINDOW.SERVICE_PAST} and tonumber(count) ~= held
local isOlder = known == epoch and newest < seen
if not isWhole or writer ~= server or now < newest - ${STEP_BACK} or isLost or isOlder then
  floor = math.max(floor, math.max(newest, now) + ${WINDOW.FLOOR_AT_START})
  epoch, newest, count = attempt, now, false
  redis.call('DEL', state)
  redis.call('HSET', state, 'epoch', epoch, 'server', server, 'newest', whole(now), 'floor', whole(floor))
end
floor = math.max(floor, own, now - ${WINDOW.SERVICE_PAST})
if known ~= epoch then return answer('epoch') end
if floor - now >= ${WINDOW.FLOOR_AHEAD} then return answer('ahead') end
if stamp <= floor or stamp - now > ${WINDOW.SERVICE_FUTURE} then return answer('clock_skew') end
local found = redis.call('HGET', entries, id)
if found and found ~= attempt then return answer('replay') end
newest = math.max(newest, now)
if found then
  redis.call('HSET', state, 'newest', whole(newest))
  return answer('admitted')
end
local all, its = unpack(redis.call('HMGET', counts, '', presenter))
all, its = tonumber(all or '0'), tonumber(its or '0')
if its >= room / 4 then return answer('rate_limited') end
if all >= room then return answer('full') end
if held == 0 then
  redis.call('HSET', state, 'newest', whole(newest))
  for _, name in ipairs(redis.call('HKEYS', state)) do
    if (tonumber(name) or second + 0) * 1000 < now - ${KEPT} then redis.call('HDEL', state, name) end
  end
  redis.call('HDEL', state, '-')
  redis.call('PEXPIREAT', entries, 1)
end
redis.call('HSET', entries, id, attempt)
redis.call('HSET', state, second, held + 1, 'newest', whole(newest))
redis.call('HSET', counts, '', all + 1, presenter, its + 1)
if held == 0 then redis.call('PEXPIREAT', entries, whole((second + 1) * 1000 + ${KEPT})) end
if all == 0 then
  redis.call('PEXPIREAT', counts, whole((math.floor(stamp / ${PERIOD}) + 1) * ${PERIOD} + ${KEPT}))
end
return answer('admitted')
`)

/** What the server does when its memory is full. The key is for clients of a cluster, which send it to its server. */
export const MEMORY: Script = scriptOf(`
return string.match(redis.call('INFO', 'memory'), 'maxmemory_policy:([%w-]+)') or 'unknown'
`)
