import {
  decodeGroupsOfPrincipal,
  decodeMoved,
  encodeGroupChange,
  type GroupChange,
  type GroupsOfPrincipal,
} from '../../shared/administration/groups.js'
import { PAGE_ROWS } from '../../shared/administration/methods.js'
import { fields, listOf } from '../../shared/encoding/fields.js'
import type { Pattern } from '../../shared/pattern.js'
import type { Principal } from '../../shared/principal.js'
import type { AdminTransport } from './transport.js'

/** The methods of administration for groups. A change is in force with the next ticket of those that it concerns. */
export class Groups {
  readonly #transport: AdminTransport

  constructor(transport: AdminTransport) {
    this.#transport = transport
  }

  /** @returns those that were not in the group before. @throws OrthrusError `unknown_service` if there is no such principal */
  async add(change: GroupChange): Promise<Principal[]> {
    return decodeMoved(await this.#transport.call('group-add', encodeGroupChange(change)))
  }

  /** @returns those that were in the group. @throws OrthrusError `unknown_service` if there is no such principal */
  async remove(change: GroupChange): Promise<Principal[]> {
    return decodeMoved(await this.#transport.call('group-remove', encodeGroupChange(change)))
  }

  /** The members of a group, or of all groups where none is named, in the order of their names. */
  async *members(group: Pattern | null = null): AsyncGenerator<GroupsOfPrincipal> {
    let after: Principal | null = null
    for (;;) {
      const [page] = fields(await this.#transport.call('members', [group, after, PAGE_ROWS]), 1)
      const rows = listOf(page).map(decodeGroupsOfPrincipal)
      yield* rows
      after = rows.at(-1)?.principal ?? null
      if (rows.length < PAGE_ROWS) return
    }
  }

  /** All groups with their members, both in the order of their names. */
  async list(): Promise<Map<Pattern, Principal[]>> {
    const found = new Map<Pattern, Principal[]>()
    for await (const { principal, groups } of this.members()) {
      for (const group of groups) found.set(group, [...(found.get(group) ?? []), principal])
    }
    return new Map([...found].sort(([one], [other]) => (one < other ? -1 : 1)))
  }
}
