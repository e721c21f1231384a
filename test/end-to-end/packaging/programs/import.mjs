import Fastify from 'fastify'
import Koa from 'koa'
import * as admin from 'orthrus/admin'
import * as client from 'orthrus/client'
import * as fastify from 'orthrus/fastify'
import * as fetchHandler from 'orthrus/fetch-handler'
import * as kdc from 'orthrus/kdc'
import * as koa from 'orthrus/koa'
import * as metrics from 'orthrus/metrics'
import * as opentelemetry from 'orthrus/opentelemetry'
import * as redis from 'orthrus/replay/redis'
import * as service from 'orthrus/service'
import * as testing from 'orthrus/testing'
import { smoke } from './smoke.cjs'

const entries = {
  client,
  admin,
  service,
  fastify,
  fetchHandler,
  koa,
  redis,
  metrics,
  opentelemetry,
  kdc,
  testing,
}
console.log((await smoke(entries, { Fastify, Koa })).join('\n'))
