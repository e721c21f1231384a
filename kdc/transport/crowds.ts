/** A group that a member belongs to. */
export interface Membership {
  readonly name: string
  /** A group of weight 4 is as crowded as one of weight 1 with a quarter of its members. */
  readonly weight: number
}

interface Group<Member> {
  readonly weight: number
  /** The oldest first. */
  readonly members: Set<Member>
}

/** Members by group, and which group is the most crowded. No operation looks at all groups. */
export class Crowds<Member extends object> {
  readonly #groupsOf = new Map<Member, readonly string[]>()
  readonly #groups = new Map<string, Group<Member>>()
  /** At `n - 1` the groups with `n` members for each unit of their weight, rounded up. The last is never empty. */
  readonly #levels: Set<Group<Member>>[] = []

  /** How many members there are. */
  get size(): number {
    return this.#groupsOf.size
  }

  has(member: Member): boolean {
    return this.#groupsOf.has(member)
  }

  add(member: Member, groups: readonly Membership[]): void {
    this.#groupsOf.set(
      member,
      groups.map(({ name }) => name),
    )
    for (const { name, weight } of groups) {
      const group = this.#groups.get(name) ?? { weight, members: new Set<Member>() }
      this.#groups.set(name, group)
      const before = levelOf(group)
      group.members.add(member)
      this.#move(group, before)
    }
  }

  /** @returns whether it was one */
  remove(member: Member): boolean {
    const names = this.#groupsOf.get(member)
    for (const name of names ?? []) {
      const group = this.#groups.get(name)
      if (group === undefined) continue
      const before = levelOf(group)
      group.members.delete(member)
      if (group.members.size === 0) this.#groups.delete(name)
      this.#move(group, before)
    }
    return this.#groupsOf.delete(member)
  }

  /** The members of a group, the oldest first. */
  of(name: string): ReadonlySet<Member> {
    return this.#groups.get(name)?.members ?? new Set()
  }

  /** The members of the most crowded group, the oldest first; none if there is no group. */
  get crowd(): ReadonlySet<Member> {
    const [group] = this.#levels.at(-1) ?? []
    return group?.members ?? new Set()
  }

  #move(group: Group<Member>, before: number): void {
    const after = levelOf(group)
    if (after === before) return
    this.#levels[before - 1]?.delete(group)
    if (after > 0) {
      while (this.#levels.length < after) this.#levels.push(new Set())
      this.#levels[after - 1]?.add(group)
    }
    while (this.#levels.at(-1)?.size === 0) this.#levels.pop()
  }
}

function levelOf({ weight, members }: Group<unknown>): number {
  return Math.ceil(members.size / weight)
}
