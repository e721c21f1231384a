import { kdcService, type Principal, ticketGrantingService } from '../../shared/principal.js'
import { type Cancel, inBackground, runAfter, type Timers } from '../../shared/timers.js'
import { KEY_SCHEDULE_INTERVAL } from '../limits/defaults.js'
import { describeFailure } from '../report/failure.js'
import type { Report } from '../report/report.js'
import { outdatedRules, planClearingRules } from './ended-rules.js'
import { outdatedInvitations, planClearing } from './invitations.js'
import { planErasure, planFreshKey, requireKdcPrincipal } from './kdc-keys.js'
import { dueOf, keyLife } from './key-changes.js'
import type { OpenRealm } from './realm.js'
import { changeReported, type ReportedChange } from './reported-change.js'

export interface KeyScheduleOptions {
  readonly realm: OpenRealm
  readonly timers: Timers
  readonly report: Report
}

/**
 * Keeps the keys of krbtgt and kdc young, erases their old ones once no ticket under them can live, and clears away
 * invitations with their keys, and rules, a day after they ended (docs/protocol.md section 12). It looks from time to time, so that
 * a change of the schedule, or of the clock, needs no care.
 */
export class KeySchedule {
  readonly #options: KeyScheduleOptions
  #cancel: Cancel = () => {}
  #isOver = false
  #looking: Promise<void> = Promise.resolve()

  private constructor(options: KeyScheduleOptions) {
    this.#options = options
  }

  static start(options: KeyScheduleOptions): KeySchedule {
    const schedule = new KeySchedule(options)
    schedule.#wait(KEY_SCHEDULE_INTERVAL)
    return schedule
  }

  /** Resolves when nothing is being changed any more. */
  stop(): Promise<void> {
    this.#isOver = true
    this.#cancel()
    return this.#looking
  }

  #wait(milliseconds: number): void {
    if (this.#isOver) return
    this.#cancel = runAfter(inBackground(this.#options.timers), milliseconds, () => {
      this.#looking = this.#look().finally(() => this.#wait(KEY_SCHEDULE_INTERVAL))
    })
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const { realm } = this.#options
    // A clock that has just leapt, or that a machine has started with, may leap back. A key that was erased stays so.
    if (!realm.time.isSettled) return
    const { realm: name } = realm.record
    for (const principal of [ticketGrantingService(name), kdcService(name)]) {
      await this.#try(principal, () => this.#change(now => this.#plan(principal, now)))
    }
    await this.#try(null, () => this.#clearInvitations())
    await this.#try(null, () => this.#clearRules())
  }

  async #clearInvitations(): Promise<void> {
    const { realm } = this.#options
    for await (const names of outdatedInvitations(realm.vault, realm.time.now())) {
      if (this.#isOver) return
      await this.#change(now => planClearing(realm, names, now))
    }
  }

  async #clearRules(): Promise<void> {
    const { realm } = this.#options
    for await (const names of outdatedRules(realm.vault, realm.time.now())) {
      if (this.#isOver) return
      await this.#change(now => planClearingRules(realm, names, now))
    }
  }

  async #change(plan: (now: number) => Promise<ReportedChange<unknown>>): Promise<void> {
    const { realm, report } = this.#options
    const change = realm.writer.change.bind(realm.writer)
    await changeReported({ change, report, actor: { by: [] } }, plan)
  }

  /** What fails is tried again at the next look. */
  async #try(principal: Principal | null, run: () => Promise<void>): Promise<void> {
    try {
      await run()
    } catch (cause) {
      this.#options.report.tell({ kind: 'key_schedule_failed', principal, failure: describeFailure(cause) })
    }
  }

  /** Planned from what the store has: another KDC may have been first. */
  async #plan(name: Principal, now: number): Promise<ReportedChange<unknown>> {
    const { realm } = this.#options
    const stored = await requireKdcPrincipal(realm, name)
    const due = dueOf(stored.record, keyLife(realm.record.rotation, name))
    return due !== null && due <= now ? planFreshKey(realm, stored, now) : planErasure(stored, now)
  }
}
