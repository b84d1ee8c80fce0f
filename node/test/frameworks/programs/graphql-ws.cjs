'use strict';

const { GraphQLInt, GraphQLObjectType, GraphQLSchema, GraphQLString } = require('graphql');
const { createClient } = require('graphql-ws');
const { useServer } = require('graphql-ws/use/ws');
const { WebSocket, WebSocketServer } = require('ws');

const schema = new GraphQLSchema({
  query: new GraphQLObjectType({ name: 'Query', fields: { hello: { type: GraphQLString, resolve: () => 'world' } } }),
  subscription: new GraphQLObjectType({
    name: 'Subscription',
    fields: {
      count: {
        type: GraphQLInt,
        args: { to: { type: GraphQLInt } },
        async *subscribe(source, { to }) {
          for (let i = 1; i <= to; i++) yield { count: i };
        }
      }
    }
  })
});

const wss = new WebSocketServer({ port: 0, path: '/graphql' }, async () => {
  const server = useServer(
    {
      schema,
      onConnect: (ctx) => console.log('connected with', ctx.connectionParams, ctx.extra.socket.protocol),
      onClose: (ctx, code, reason) => console.log('closed', code, reason)
    },
    wss
  );
  const client = createClient({
    url: `ws://127.0.0.1:${wss.address().port}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { token: 'x' },
    lazyCloseTimeout: 0
  });

  for await (const result of client.iterate({ query: '{ hello }' })) console.log(JSON.stringify(result));
  for await (const result of client.iterate({ query: 'subscription { count(to: 5) }' })) console.log(JSON.stringify(result));
  await client.dispose();
  await server.dispose();
});
