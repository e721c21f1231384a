import { setTimeout as wait } from 'node:timers/promises'
import { connect } from 'orthrus/client'

/** A client in a few lines: tickets are fetched and renewed automatically, and only proved answers arrive. */

const kdc = process.env.ORTHRUS_KDC ?? 'ws://127.0.0.1:8750'
const keytab = process.env.ORTHRUS_KEYTAB ?? 'web.keytab'
const url = process.env.URL ?? 'http://127.0.0.1:8080/hello'
const [flag, every] = process.argv.slice(2)

const realm = await connect({ kdc, keytab })
try {
  do {
    const response = await realm.fetch(url, { service: 'orders' })
    console.log(`${response.status} ${(await response.text()).trim()}`)
    if (flag === '--every') await wait(Number(every))
  } while (flag === '--every')
} finally {
  realm.close()
}
