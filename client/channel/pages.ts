import { type AdminMethod, PAGE_ROWS } from '../../shared/administration/methods.js'
import type { Value } from '../../shared/encoding/encoding.js'
import { fields, listOf } from '../../shared/encoding/fields.js'
import type { AdminTransport } from './transport.js'

/** All rows of a method that returns them in pages. @param keyOf what the next page is asked for after a row */
export async function* pagesOf<Row>(
  transport: AdminTransport,
  method: AdminMethod,
  decodeRow: (value: Value) => Row,
  keyOf: (row: Row) => Value[],
): AsyncGenerator<Row> {
  let after: Value = null
  for (;;) {
    const [page] = fields(await transport.call(method, [after, PAGE_ROWS]), 1)
    const rows = listOf(page).map(decodeRow)
    yield* rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE_ROWS) return
    after = keyOf(last)
  }
}
