import { type ConnectedAdministration, connectAdmin, NO_TERMS, type PolicyRule } from 'orthrus/admin'

// @ts-expect-error It takes the options of connect.
export const nothing = () => connectAdmin('ws://127.0.0.1:8750')

export async function allow(kdc: string): Promise<PolicyRule | null> {
  const admin: ConnectedAdministration = await connectAdmin({ kdc, keytab: 'admin.keytab' })
  const pair = [admin.pattern('web'), admin.pattern('orders')] as const
  await admin.setRule({ client: pair[0], service: pair[1], effect: 'allow', ...NO_TERMS })
  const rule = await admin.rule(...pair)
  admin.close()
  return rule
}
