import { runPipeline } from "/work/main/src/pipelines/run-pipeline.ts";
import { withServers, execute, checkpoint, pipelineBetween } from "/work/main/bench/servers.ts";
import * as b from "/work/main/bench/backlog.ts";
import { until } from "/work/main/bench/until.ts";
import { readFileSync, readdirSync } from "node:fs";
import { spawn } from "node:child_process";
const n=Number(process.argv[2]??100000);
const mode=process.argv[3]??"ours";
function procs(){ const r:Record<string,{cpu:number,cmd:string}>={}; for(const p of readdirSync("/proc")){ if(!/^\d+$/.test(p))continue; try{ const s=readFileSync(`/proc/${p}/stat`,"utf8"); const f=s.slice(s.lastIndexOf(")")+2).split(" "); const cmd=readFileSync(`/proc/${p}/cmdline`,"utf8").replaceAll("\0"," ").slice(0,90); r[p]={cpu:(Number(f[11])+Number(f[12]))/100,cmd}; }catch{} } return r; }
await withServers(2, async ([source,dest]:any)=>{
 await b.createTemplate(source,"t"); await b.createTemplate(dest,"t");
 for (let r=0;r<Number(process.argv[4]??2);r++){
  await b.createFrom(source,"t","s"+r); await b.createFrom(dest,"t","o"+r);
  await b.publishTables(source,"s"+r);
  await execute(source,"s"+r,`SELECT pg_create_logical_replication_slot('b${r}_0','pgoutput')`);
  await b.writeBacklog(source,"s"+r,n);
  await checkpoint([source,dest]);
  let last:any={}; const before=procs();
  const iv=setInterval(()=>{ Object.assign(last,procs()); },100);
  const perf = process.env.PERF ? spawn("perf",["record","-a","-g","-F","499","-o",`/tmp/perf.${r}.data`],{stdio:"ignore"}) : undefined;
  if (perf) await new Promise(r=>setTimeout(r,500));
  const t0=performance.now(); const c0=process.cpuUsage();
  const pipeline=pipelineBetween({source,shards:[dest],from:"s"+r,to:"o"+r,sharding:{tables:[{column:"aid",dataType:"bigint",hasher:"postgres",mapping:[]}],schemas:[],omnisharded:[]},stages:[{type:"replicate",until:"caught-up"}],slot:"b"+r} as any);
  let progress:any[]=[];
  const run=runPipeline({pipeline,signal:new AbortController().signal,report:(e:any)=>{progress.push(((performance.now()-t0)/1000).toFixed(2)+" "+e.type+" "+(e.changes??""));}});
  const c=await dest.connect("o"+r);
  await until("x",async()=>(await c.query("SELECT FROM history WHERE hid=$1",[n])).rowCount===1);
  const t=(performance.now()-t0)/1000; const cu=process.cpuUsage(c0);
  await run; await c.end();
  if (perf) {perf.kill("SIGINT"); await new Promise(r=>perf.on("exit",r));}
  clearInterval(iv); 
  console.log(progress.join("\n"));
  console.log("seconds",t.toFixed(2),"changes/s",(2*n/t).toFixed(0),"whole",((performance.now()-t0)/1000).toFixed(2),"node cpu",((cu.user+cu.system)/1e6).toFixed(2));
  for(const [p,v] of Object.entries(last) as any){ const d=v.cpu-(before[p]?.cpu??0); if(d>0.1) console.log("  ",p,d.toFixed(2),v.cmd); }
  await execute(source,"s"+r,`SELECT pg_drop_replication_slot('b${r}_0')`);
 }
});
